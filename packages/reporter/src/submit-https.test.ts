/** Reports by POST to real endpoints on loopback, honest and hostile. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { covers } from '../../../test/conformance/covers.ts'
import { certificateFor } from '../../../test/lab/policy-certificates.ts'
import { PolicyHost } from '../../../test/lab/policy-host.ts'
import { PolicyHostWorld } from '../../../test/lab/policy-host-world.ts'
import { ReportEndpoint } from '../../../test/lab/report-endpoint.ts'
import { parseRua } from './rua.ts'
import type { Submission } from './submission.ts'
import { submitByHttps } from './submit-https.ts'

const HOST = 'reports.rcpt.example'
const JSON_TEXT = '{"report-id":"x"}'
const COMPRESSED = gzipSync(JSON_TEXT)
const RENDERED = { reportId: 'x@sender.example', compressed: COMPRESSED, madeAt: 0 }

let world: PolicyHostWorld
let endpoint: ReportEndpoint

before(async () => {
  world = await PolicyHostWorld.start()
  endpoint = await ReportEndpoint.start(await certificateFor(HOST, 'good', world.authority))
})
after(async () => {
  await endpoint[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

interface Post {
  readonly path?: string
  readonly port?: number
  readonly addresses?: readonly string[]
  readonly exceptions?: readonly string[]
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  readonly compressed?: Uint8Array
}

function post({ path = '/v1/tls?a=b%2Fc', port = endpoint.port, addresses = ['127.0.0.1'], ...more }: Post = {}) {
  world.publish({ [HOST]: { A: addresses } })
  const { exceptions = ['127.0.0.0/8'], deadlineMs = 10_000, signal, compressed = COMPRESSED } = more
  const rua = parseRua(`https://${HOST}:${port}${path}`)
  assert.ok(rua.ok && rua.value.kind === 'https')
  const https = world.client({ exceptions, deadlineMs })
  return submitByHttps({ rendered: { ...RENDERED, compressed } }, rua.value, { https, signal })
}

const reasonOf = ({ outcome }: Submission): string => ('reason' in outcome ? outcome.reason : outcome.kind)

describe('RFC 8460 §5.4', () => {
  test('RPT-92, RPT-93, RPT-96: the compressed report itself, to the exact place, and nothing about us but our name', async () => {
    covers(['RPT-92', 'RPT-93', 'RPT-96'], { observe: 'https' })
    endpoint.posted.length = 0
    assert.deepEqual(await post(), { outcome: { kind: 'accepted' }, told: { status: 200 } })
    const [posted, ...more] = endpoint.posted
    assert.ok(posted !== undefined && more.length === 0)
    assert.deepEqual([posted.method, posted.target], ['POST', '/v1/tls?a=b%2Fc'])
    assert.deepEqual(posted.body, COMPRESSED)
    assert.equal(gunzipSync(posted.body).toString(), JSON_TEXT)
    assert.deepEqual(posted.fields, {
      host: `${HOST}:${endpoint.port}`,
      'user-agent': 'Hermetic',
      'accept-encoding': 'identity',
      connection: 'close',
      'content-type': 'application/tlsrpt+gzip',
      'content-length': String(COMPRESSED.length),
    })
  })

  for (const status of [200, 201, 202, 204]) {
    test(`RPT-95: ${status} is success`, async () => {
      covers('RPT-95', { observe: 'https' })
      endpoint.answer = () => ({ status })
      assert.deepEqual((await post()).outcome, { kind: 'accepted' })
    })
  }

  for (const status of [301, 302, 307, 308, 400, 404, 413, 429, 500, 503]) {
    test(`RPT-95: ${status} is failure, and leads nowhere else`, async () => {
      covers('RPT-95', { observe: 'https' })
      endpoint.posted.length = 0
      const Location = `https://${HOST}:${endpoint.port}/elsewhere`
      endpoint.answer = () => ({ status, fields: { Location } })
      assert.equal(reasonOf(await post()), `status-${status}`)
      assert.equal(endpoint.posted.length, 1)
    })
  }

  test('what the endpoint says beyond its status is not read, however much it is', async () => {
    endpoint.answer = () => ({ status: 200, body: 'x'.repeat(4_000_000), fields: { 'Content-Encoding': 'gzip' } })
    assert.deepEqual((await post()).outcome, { kind: 'accepted' })
    endpoint.answer = () => ({ status: 200 })
  })

  test('a report of the greatest size arrives whole', async () => {
    endpoint.posted.length = 0
    const compressed = Buffer.alloc(5_000_000, 7)
    assert.deepEqual((await post({ compressed })).outcome, { kind: 'accepted' })
    assert.ok(endpoint.posted[0]?.body.equals(compressed))
  })
})

describe('RFC 8460 §3: certificates of endpoints', () => {
  for (const [variant, reason] of [
    ['expired', 'expired'],
    ['self-signed', 'untrusted'],
    ['unknown-authority', 'untrusted'],
    ['wrong-name', 'name'],
  ] as const) {
    test(`RPT-94: ${variant}: verified first, then sent all the same, and told`, async () => {
      covers('RPT-94', { observe: 'https' })
      await using doubtful = await ReportEndpoint.start(await certificateFor(HOST, variant, world.authority))
      const { outcome, told } = await post({ port: doubtful.port })
      assert.deepEqual([outcome, told], [{ kind: 'accepted' }, { status: 200, unproven: reason }])
      assert.deepEqual(
        doubtful.posted.map(({ body }) => body),
        [COMPRESSED],
      )
    })
  }

  test('RPT-94: one that fails then as well has failed, once', async () => {
    covers('RPT-94', { observe: 'https' })
    await using doubtful = await ReportEndpoint.start(await certificateFor(HOST, 'expired', world.authority))
    doubtful.answer = () => ({ status: 500 })
    assert.equal(reasonOf(await post({ port: doubtful.port })), 'status-500')
    assert.equal(doubtful.posted.length, 1)
  })
})

describe('RPT-96: endpoints chosen by strangers', () => {
  for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254']) {
    test(`RPT-96: at ${address} is not contacted`, async () => {
      covers('RPT-96', { observe: 'https' })
      endpoint.posted.length = 0
      assert.equal(reasonOf(await post({ exceptions: [], addresses: [address] })), 'address-refused')
      assert.equal(endpoint.posted.length, 0)
    })
  }

  test('RPT-96: one that takes the report and never answers costs the deadline and no more', async () => {
    covers('RPT-96', { observe: 'https' })
    endpoint.answer = () => undefined
    const before = performance.now()
    assert.equal(reasonOf(await post({ deadlineMs: 150 })), 'timeout-response')
    assert.ok(performance.now() - before < 5_000)
    endpoint.answer = () => ({ status: 200 })
  })

  for (const [what, raw, reason] of [
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n', 'malformed'],
    ['half an answer', 'HTTP/1.1 2', 'truncated'],
    ['a switch of protocols', 'HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n', 'malformed'],
    ['fields without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`, 'malformed'],
    ['a status that is none', 'HTTP/1.1 0 Fine\r\nContent-Length: 0\r\n\r\n', 'malformed'],
  ] as const) {
    test(`RPT-96: ${what}: ${reason}, and no other address gets it`, async () => {
      covers('RPT-96', { observe: 'https' })
      const tls = await certificateFor(HOST, 'good', world.authority)
      await using liar = await PolicyHost.start({ tls, answer: { raw } })
      await using second = await PolicyHost.start({ address: '127.0.0.2', port: liar.port, tls })
      const submission = await post({ port: liar.port, addresses: [liar.address, second.address] })
      assert.equal(reasonOf(submission), reason)
      assert.equal(second.connections, 0)
    })
  }

  test('RPT-96: interim answers without end meet the deadline', async () => {
    covers('RPT-96', { observe: 'https' })
    const tls = await certificateFor(HOST, 'good', world.authority)
    const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
    const answer = { raw: interim.repeat(2_000), drip: { octets: interim.length, everyMs: 1 } }
    await using liar = await PolicyHost.start({ tls, answer })
    assert.equal(reasonOf(await post({ port: liar.port, deadlineMs: 150 })), 'timeout-response')
  })

  test('a stop ends it at once and is no attempt', async () => {
    const controller = new AbortController()
    endpoint.answer = () => {
      controller.abort()
      return undefined
    }
    const { outcome } = await post({ signal: controller.signal })
    assert.deepEqual(outcome, { kind: 'not-tried', reason: 'aborted' })
    endpoint.answer = () => ({ status: 200 })
  })

  test('an endpoint that nobody knows, or nobody listens at, has failed with the reason', async () => {
    assert.equal(reasonOf(await post({ port: 1 })), 'connect-ECONNREFUSED')
    const rua = parseRua('https://missing.rcpt.example/')
    assert.ok(rua.ok && rua.value.kind === 'https')
    const submission = await submitByHttps({ rendered: RENDERED }, rua.value, { https: world.client() })
    assert.equal(reasonOf(submission), 'no-address')
  })
})
