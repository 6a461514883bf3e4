/**
 * The control API of a whole relay: what it answers is what its document says, what it changes is counted, confirmed and
 * in the audit, and whoever should not get in does not.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Endpoint } from '../../packages/mta/src/api/endpoint.ts'
import { ENDPOINTS } from '../../packages/mta/src/api/endpoints.ts'
import { answerSchema } from '../../packages/mta/src/api/openapi.ts'
import { generateApiToken } from '../../packages/mta/src/api/token-file.ts'
import { runHermetic } from '../lab/command-lab.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const READ = generateApiToken('dashboard', { role: 'read', now: 0 })
const OPERATE = generateApiToken('ops', { role: 'operate', now: 0 })
const FLOOD = generateApiToken('flood', { role: 'read', now: 0 })

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readonly<Record<string, unknown>>
}

interface Wish {
  readonly token?: string | undefined
  readonly body?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
}

describe('the control API', () => {
  let mx: ScriptedMx
  let relay: WholeRelay
  let ids: readonly string[] = []

  before(async () => {
    mx = await ScriptedMx.start()
    mx.script = { RCPT: () => '451 4.3.0 later' }
    relay = await WholeRelay.start({
      records: { 'example.test': { MX: [[10, 'mx.example.test']] }, 'mx.example.test': { A: [mx.address] } },
      files: (directory) => writeTokens(directory, [READ, OPERATE, FLOOD]),
      settings: `
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${mx.port}
[suppression]
enabled = true
[tlsrpt]
enabled = true
organization = "Example"
contact = "tls@relay.example.test"
[api]
listen = "127.0.0.1:0"
token_file = "./tokens.json"
`,
    })
    for (const subject of ['one', 'two', 'three']) await submit(subject)
    await relay.until(() => relay.eventsOf('attempt-finished').length >= 3)
    ids = relay.eventsOf('message-accepted').map(({ id }) => id)
  })

  after(async () => {
    await relay?.[Symbol.asyncDispose]()
    await mx?.stop()
  })

  async function submit(subject: string): Promise<void> {
    const client = await relay.greeted()
    for (const command of ['MAIL FROM:<app@sender.test>', 'RCPT TO:<someone@example.test>', 'DATA']) {
      await client.command(command)
    }
    client.send(`Subject: ${subject}\r\nFrom: <app@sender.test>\r\n\r\nhello\r\n.\r\n`)
    assert.equal((await client.reply())?.code, 250)
    await client.quit()
  }

  function call(method: string, path: string, { token, body, headers = {} }: Wish = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = httpRequest({
        ...{ host: '127.0.0.1', port: relay.relay.apiPort, method, path, agent: false },
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
      })
      sent.on('error', reject)
      sent.on('response', (received) => {
        const chunks: Buffer[] = []
        received.on('data', (chunk: Buffer) => chunks.push(chunk))
        received.on('error', reject)
        received.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const { statusCode: status = 0, headers: heard } = received
          resolve({ status, headers: heard, body: text.startsWith('{') ? JSON.parse(text) : { text } })
        })
      })
      sent.end(body)
    })
  }

  const get = (path: string, token: string = READ.secret) => call('GET', `/api/v1${path}`, { token })
  const post = (path: string, body: unknown, token: string = OPERATE.secret) =>
    call('POST', `/api/v1${path}`, { token, body: JSON.stringify(body) })

  function fits(id: string, body: unknown): void {
    const endpoint: Endpoint | undefined = ENDPOINTS.find((one) => one.id === id)
    assert.ok(endpoint !== undefined, id)
    const validate = new Ajv2020({ strict: false }).compile(answerSchema(endpoint))
    assert.ok(validate(body), `${id}: ${JSON.stringify(validate.errors)} ${JSON.stringify(body).slice(0, 500)}`)
  }

  test('what it answers is what the document says', async () => {
    const today = new Date().toISOString().slice(0, 10)
    for (const [id, path] of [
      ['showStatus', '/status'],
      ['showHealth', '/health'],
      ['listNodes', '/nodes'],
      ['showQueue', '/queue'],
      ['listMessages', '/queue/messages?domain=example.test&limit=2'],
      ['showMessage', `/queue/messages/${ids[0]}`],
      ['showShape', '/queue/shape?by=domain'],
      ['listHolds', '/holds'],
      ['showWaits', '/limits?lane=mx:example.test:25&lane=mx:example.com:25'],
      ['trace', `/trace?id=${ids[0]}`],
      ['explain', '/explain/example.test'],
      ['listPolicies', '/policies'],
      ['listOverrides', '/overrides'],
      ['listObserved', '/observed?since=0'],
      ['listSuppressed', '/suppression'],
      ['listReportDays', '/tlsrpt/days'],
      ['listReports', `/tlsrpt/days/${today}/reports`],
      ['previewReports', `/tlsrpt/days/${today}/preview`],
    ] as const) {
      const { status, body, headers } = await get(path)
      assert.equal(status, 200, `${path} ${JSON.stringify(body)}`)
      assert.match(headers['content-type'] ?? '', /^application\/json/)
      assert.equal(headers['cache-control'], 'no-store')
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['access-control-allow-origin'], undefined)
      fits(id, body)
    }
    assert.equal((await get('/queue')).body['messages'], 3)
    const { status, body } = await get('/openapi.json')
    assert.deepEqual([status, body['openapi']], [200, '3.1.0'])
  })

  test('pages follow each other by cursors, which mean nothing elsewhere', async () => {
    const seen: unknown[] = []
    let path = '/queue/messages?limit=1'
    for (;;) {
      const { body } = await get(path)
      for (const item of body['items'] as readonly { readonly id: string }[]) seen.push(item.id)
      const cursor = body['next_cursor']
      if (cursor === null) break
      assert.equal((await get(`/policies?cursor=${cursor}`)).status, 400)
      path = `/queue/messages?limit=1&cursor=${cursor}`
    }
    assert.deepEqual(seen, ids)
  })

  test('a filter is counted first, and changes no more than was confirmed', async () => {
    const filter = { domain: 'example.test' }
    const dry = await post('/queue/hold', { filter, reason: 'looking' })
    fits('holdMessages', dry.body)
    assert.deepEqual([dry.body['changed'], dry.body['messages'], dry.body['would']], [false, 3, { done: 3 }])
    assert.equal((await get('/queue')).body['held'], 0)
    const fewer = await post('/queue/hold', { filter, reason: 'looking', confirm: 2 })
    assert.deepEqual([fewer.status, fewer.body['type']], [409, 'urn:hermetic:problem:more-than-confirmed'])
    assert.equal((await get('/queue')).body['held'], 0)
    const done = await post('/queue/hold', { filter, reason: 'looking', confirm: 3 })
    fits('holdMessages', done.body)
    assert.deepEqual(done.body['results'], { done: 3 })
    assert.equal((await get('/queue')).body['held'], 3)
    assert.deepEqual((await post('/queue/release', { ids: [ids[0]] })).body['results'], { done: 1 })
    for (const wrong of [
      {},
      { ids, filter },
      { ids, confirm: 3 },
      { filter: { domains: 'x' } },
      { ids: ['../../etc/passwd'] },
    ]) {
      assert.equal((await post('/queue/retry', wrong)).status, 400, JSON.stringify(wrong))
    }
    assert.equal((await post('/queue/hold', { ids })).status, 400, 'a reason is needed')
    assert.equal((await post('/queue/cancel', { filter, confirm: 3, notify: 'yes' })).status, 400)
  })

  test('other orders do what the command line does', async () => {
    fits('suppress', (await post('/suppression', { address: 'x@example.test', until: Date.now() + 60_000 })).body)
    assert.equal(((await get('/suppression')).body['items'] as readonly unknown[]).length, 1)
    assert.deepEqual((await post('/suppression/remove', { address: 'x@example.test' })).body, { removed: true })
    const rule = { id: '0c27e4aa', domain: 'other.example', reason: 'looking' }
    fits('addHold', (await post('/holds', rule)).body)
    assert.equal(((await get('/holds')).body['items'] as readonly unknown[]).length, 1)
    assert.deepEqual((await post('/holds/0c27e4aa/remove', {})).body, { removed: true })
    fits('reload', (await post('/reload', {})).body)
    const { body } = await get('/nodes')
    const here = String(body['here'])
    assert.deepEqual((await post(`/nodes/${here}/drain`, {})).body, { result: 'ordered' })
    await relay.until(() => relay.eventsOf('node-drained').length === 1)
    assert.equal((await get('/health')).body['ready'], false)
    assert.deepEqual((await post(`/nodes/${here}/resume`, {})).body, { result: 'ordered' })
    assert.equal((await post('/policies/example.test/purge', {})).status, 404)
    assert.equal((await get('/policies/example.test')).status, 404)
    fits('explainConnected', (await post('/explain/example.test/connect', {})).body)
    fits('refreshPolicy', (await post('/policies/example.test/refresh', {})).body)
  })

  test('every order is in the audit, and those that were refused', async () => {
    const { out } = await runHermetic(relay.file, 'api', 'audit', '--json')
    const orders = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const held = orders.filter(({ operation }) => operation === 'holdMessages')
    assert.deepEqual(
      held.map(({ status, messages }) => [status, messages]),
      [
        [200, 0],
        [409, undefined],
        [200, 3],
      ],
    )
    assert.deepEqual([held[2].token, held[2].client], ['ops', '127.0.0.1'])
    assert.deepEqual(held[2].request, { filter: { domain: 'example.test' }, reason: 'looking', confirm: 3 })
    assert.equal(relay.eventsOf('api-ordered').length, orders.length)
    assert.match((await runHermetic(relay.file, 'api', 'audit')).out, /holdMessages/)
  })

  test('without a token, or with a wrong one, nothing is told', async () => {
    for (const wish of [
      {},
      { headers: { authorization: READ.secret } },
      { headers: { authorization: `Basic ${READ.secret}` } },
      { headers: { authorization: 'Bearer' } },
      { token: 'hermetic_aaaaaaaaaaaaaaaaaaaaaaaaaaa' },
      { token: READ.secret.slice(0, -1) },
      { token: `${READ.secret}x` },
      { token: READ.record.hash },
      { token: 'x'.repeat(4_000) },
      { headers: { cookie: `token=${READ.secret}` } },
    ]) {
      for (const path of ['/api/v1/status', '/api/v1/openapi.json', '/api/v1/nothing', '/', '/api/v1/queue/retry']) {
        if (wish.token !== undefined && path !== '/api/v1/status') continue
        const { status, body, headers } = await call('GET', path, wish)
        assert.equal(status, 401, `${path} ${JSON.stringify(wish)}`)
        assert.equal(headers['www-authenticate'], 'Bearer')
        assert.match(headers['content-type'] ?? '', /^application\/problem\+json/)
        assert.deepEqual(body, { type: 'urn:hermetic:problem:no-token', title: 'A token is needed', status: 401 })
      }
    }
  })

  test('a token that only reads orders nothing', async () => {
    for (const { method, path, role } of ENDPOINTS) {
      if (role !== 'operate') continue
      const { status } = await call(method.toUpperCase(), `/api/v1${path.replaceAll(/\{\w+\}/g, 'x')}`, {
        ...{ token: READ.secret, body: '{}' },
      })
      assert.equal(status, 403, path)
    }
  })

  test('a page whose name points here cannot ask, token or not', async () => {
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.example:9126']) {
      const { status } = await call('GET', '/api/v1/status', { token: READ.secret, headers: { host } })
      assert.ok(status === 421 || status === 400, `${host}: ${status}`)
    }
    const preflight = await call('OPTIONS', '/api/v1/status', {
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
    })
    assert.equal(preflight.status, 401)
    assert.equal(preflight.headers['access-control-allow-origin'], undefined)
  })

  test('what is no request of ours is refused, and says why', async () => {
    const token = OPERATE.secret
    const wrong: readonly (readonly [number, string, string, Wish])[] = [
      [
        415,
        'POST',
        '/api/v1/queue/retry',
        { token, body: 'ids=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      ],
      [400, 'POST', '/api/v1/queue/retry', { token, body: '{"ids":' }],
      [400, 'POST', '/api/v1/queue/retry', { token, body: '[]' }],
      [400, 'POST', '/api/v1/queue/retry', { token, body: `${'['.repeat(20_000)}` }],
      [400, 'POST', '/api/v1/queue/retry', { token, body: '{"ids":[],"__proto__":{"x":1}}' }],
      [413, 'POST', '/api/v1/queue/retry', { token, body: JSON.stringify({ ids: ['x'.repeat(200_000)] }) }],
      [404, 'GET', '/api/v1/../../etc/passwd', { token }],
      [400, 'GET', '/api/v1/queue/messages/..%2f..%2fetc%2fpasswd', { token }],
      [400, 'GET', '/api/v1/queue/messages/%00', { token }],
      [404, 'GET', `/api/v1/queue/messages/${'01a20480-79c3-77e8-90c8-1a5e98b34241'}`, { token }],
      [400, 'GET', '/api/v1/policies/a%20b', { token }],
      [400, 'GET', '/api/v1/queue/messages?limit=201', { token }],
      [400, 'GET', '/api/v1/queue/messages?limit=0', { token }],
      [400, 'GET', '/api/v1/queue/messages?limit=1&limit=2', { token }],
      [400, 'GET', '/api/v1/queue/messages?unknown=1', { token }],
      [400, 'GET', '/api/v1/queue/messages?cursor=AAAA', { token }],
      [400, 'GET', '/api/v1/queue/messages?state=lost', { token }],
      [400, 'GET', '/api/v1/trace', { token }],
      [400, 'GET', '/api/v1/trace?id=x&address=y', { token }],
      [405, 'DELETE', '/api/v1/queue', { token }],
      [405, 'GET', '/api/v1/reload', { token }],
      [404, 'GET', '/api/v2/status', { token }],
      [404, 'GET', '/metrics', { token }],
    ]
    for (const [expected, method, path, wish] of wrong) {
      const { status, body, headers } = await call(method, path, wish)
      assert.equal(status, expected, `${method} ${path} ${JSON.stringify(body)}`)
      assert.match(headers['content-type'] ?? '', /^application\/problem\+json/)
      assert.equal(body['status'], expected)
    }
    assert.equal(relay.eventsOf('admin-failed').length, 0)
  })

  test('while the audit cannot be written nothing is ordered', async () => {
    const path = join(await dataDir(), 'api-audit.jsonl')
    const kept = await readFile(path)
    await rm(path)
    await mkdir(path)
    const { status, body } = await post('/queue/cancel', { ids })
    assert.deepEqual([status, body['type']], [503, 'urn:hermetic:problem:unavailable'])
    assert.equal((await get('/queue')).body['messages'], 3)
    await rm(path, { recursive: true })
    await writeFile(path, kept)
  })

  test('a slow client and a thousand calls at once keep neither the API nor the mail away', async () => {
    const slow = connect({ host: '127.0.0.1', port: relay.relay.apiPort ?? 0 })
    slow.write('POST /api/v1/queue/retry HTTP/1.1\r\nhost: localhost\r\nauthorization: Bear')
    const calls = await Promise.allSettled(Array.from({ length: 1_000 }, () => get('/queue', FLOOD.secret)))
    const statuses = calls.flatMap((one) => (one.status === 'fulfilled' ? [one.value.status] : []))
    assert.ok(statuses.length > 0)
    assert.deepEqual(
      [...new Set(statuses)].filter((status) => status !== 200 && status !== 429),
      [],
    )
    assert.equal((await get('/status')).status, 200)
    await submit('after the flood')
    slow.destroy()
  })

  test('a token that is removed is refused within a second or two, and a damaged file changes nothing', async () => {
    await runHermetic(relay.file, 'api', 'token', 'remove', 'flood')
    const giveUpAt = performance.now() + 5_000
    while ((await get('/status', FLOOD.secret)).status !== 401) assert.ok(performance.now() < giveUpAt)
    await writeFile(join(dirname(relay.file), 'tokens.json'), 'not JSON')
    const unreadable = () => relay.eventsOf('api-tokens-unreadable').length === 1
    while (!unreadable()) {
      assert.equal((await get('/status')).status, 200)
      assert.ok(performance.now() < giveUpAt + 5_000)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.equal((await get('/status')).status, 200)
  })

  // The last one: it locks this address out.
  test('who guesses tokens is stopped before the secret is looked at, and the log does not grow with it', async () => {
    const before = relay.eventsOf('api-refused').length
    let status = 401
    for (let tries = 0; tries < 60 && status === 401; tries += 1) {
      status = (await get('/status', `hermetic_guess${tries}`)).status
    }
    assert.equal(status, 429)
    const { status: locked, headers } = await get('/status')
    assert.deepEqual([locked, headers['retry-after']], [429, '60'])
    assert.ok(relay.eventsOf('api-refused').length - before <= 4)
  })

  async function dataDir(): Promise<string> {
    const [{ directory = '' } = {}] = relay.eventsOf('relay-starting')
    return directory
  }
})

async function writeTokens(directory: string, tokens: readonly { readonly record: unknown }[]): Promise<void> {
  const text = JSON.stringify({ version: 1, tokens: tokens.map(({ record }) => record) })
  await writeFile(join(directory, 'tokens.json'), text, { mode: 0o600 })
}
