/**
 * One process for each role on one queue in Redis: what one takes the other delivers, the third reports, the fourth
 * answers; and each of them may be killed.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateApiToken } from '../../packages/mta/src/api/token-file.ts'
import { type DnsServer, startDnsServer, zone } from '../lab/dns-server.ts'
import { longEnoughDay } from '../lab/long-enough-day.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { freePort, hermetic, RelayInstance } from './relay-instance.ts'

const ROLES = ['submission', 'delivery', 'reporter', 'api'] as const
type Role = (typeof ROLES)[number]

const WAIT_MS = 15_000
const TOKEN = generateApiToken('ops', { role: 'operate', now: 0 })

interface Node {
  readonly dir: string
  readonly port: number
  readonly metrics: number
  readonly settings: string
  readonly lines: string[]
  relay: RelayInstance
}

describe('one process for each role', () => {
  let directory: string
  let redis: RedisServer
  let dns: DnsServer
  let mx: ScriptedMx
  let nodes: Readonly<Record<Role, Node>>
  let apiPort: number

  before(async () => {
    await longEnoughDay()
    directory = await mkdtemp(join(tmpdir(), 'hermetic-roles-'))
    const { privateKey } = generateKeyPairSync('ed25519')
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
    await writeFile(join(directory, 'reports.pem'), key, { mode: 0o600 })
    apiPort = await freePort()
    const tokens = JSON.stringify({ version: 1, tokens: [TOKEN.record] })
    await writeFile(join(directory, 'tokens.json'), tokens, { mode: 0o600 })
    redis = await startRedis()
    mx = await ScriptedMx.start()
    dns = await startDnsServer({
      zones: [
        zone({
          'example.test': { MX: [[10, 'mx.example.test']] },
          '_smtp._tls.example.test': { TXT: [['v=TLSRPTv1; rua=mailto:reports@example.test']] },
          'mx.example.test': { A: [mx.address] },
        }),
      ],
    })
    const started = await Promise.all(ROLES.map(async (role) => [role, await start(role)] as const))
    nodes = Object.fromEntries(started) as typeof nodes
  })

  after(async () => {
    await Promise.all(Object.values(nodes ?? {}).map((node) => node.relay.kill()))
    await mx?.stop()
    await dns?.close()
    await redis?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  async function start(role: Role): Promise<Node> {
    const [port, metrics] = [await freePort(), await freePort()]
    const settings = settingsOf(role, { port, metrics })
    const dir = join(directory, role)
    await mkdir(dir)
    const lines: string[] = []
    const node = { dir, port, metrics, settings, lines }
    return { ...node, relay: await launched(node) }
  }

  async function launched(node: Omit<Node, 'relay'>): Promise<RelayInstance> {
    const relay = await RelayInstance.launch({ ...node, readyPort: 0, onLine: (line) => node.lines.push(line) })
    await until(async () => (await readiness(node)) !== undefined, 'answers probes')
    return relay
  }

  async function again(role: Role): Promise<void> {
    nodes[role].relay = await launched(nodes[role])
  }

  function settingsOf(role: Role, { port, metrics }: { readonly port: number; readonly metrics: number }): string {
    return `
role = "${role}"
[queue]
engine = "redis"
redis_url = "${redis.socket}"
content_dir = "${directory}/content"
[delivery]
port = ${mx.port}
[dns]
servers = ["${dns.address}:${dns.port}"]
trust = "none"
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:${metrics}"
[tlsrpt]
enabled = true
organization = "Example"
contact = "tls@relay.hermetic.test"
selector = "reports"
key_file = "${directory}/reports.pem"
[api]
listen = "127.0.0.1:${apiPort}"
token_file = "${directory}/tokens.json"
[[listener]]
kind = "relay"
port = ${port}
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
  }

  const subjects = (): readonly string[] =>
    mx.messages.map(({ content }) => /^Subject: (.*)\r$/m.exec(content.toString())?.[1] ?? '')

  async function asked(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${apiPort}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN.secret}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return answer.json()
  }

  test('what one takes another delivers at once, and only who has the role listens', async () => {
    assert.match(await submit(nodes.submission.port, 'first'), /queued/i)
    const since = performance.now()
    await until(() => subjects().includes('first'), 'delivered')
    console.log(`delivered ${Math.round(performance.now() - since)} ms after the 250`)
    await assert.rejects(submit(nodes.delivery.port, 'nobody listens'))
    const took = (role: Role, event: string) => nodes[role].lines.some((line) => line.includes(`"${event}"`))
    await until(() => took('delivery', 'delivered') || took('delivery', 'message-settled'), 'told by its process')
    assert.ok(!took('submission', 'delivery'), 'no deliveries where mail is taken')
  })

  test('every process can be asked who has which role', async () => {
    const rows = (await hermetic(nodes.submission.dir, 'nodes', '--json')).trim().split('\n')
    const roles = rows.flatMap((line): readonly string[] => JSON.parse(line).roles)
    assert.deepEqual(roles.toSorted(), ROLES.toSorted())
    for (const role of ROLES) {
      const ready = await readiness(nodes[role])
      assert.equal(ready?.ready, true, `${role}: ${ready?.reasons.join()}`)
    }
  })

  test('without anybody who delivers mail waits, all say so, and it goes when one is back', async () => {
    await nodes.delivery.relay.kill()
    assert.match(await submit(nodes.submission.port, 'waits'), /queued/i)
    const note = 'no node delivers: mail waits (role delivery)'
    await until(async () => (await readiness(nodes.submission))?.notes.includes(note) === true, note)
    assert.match(await hermetic(nodes.api.dir, 'nodes'), /No node delivers/)
    const counted = () => metric(nodes.reporter, 'hermetic_role_nodes{role="delivery"}')
    await until(async () => (await counted()).endsWith(' 0'), 'another process has noticed with its next beat')
    assert.ok(!subjects().includes('waits'))
    await again('delivery')
    await until(() => subjects().includes('waits'), 'delivered by the next process')
  })

  test('without anybody who takes mail that which is there is delivered', async () => {
    mx.script = { RCPT: () => '451 4.3.0 later' }
    assert.match(await submit(nodes.submission.port, 'taken before'), /queued/i)
    const deferred = () => nodes.delivery.lines.some((line) => line.includes('"result":"deferred"'))
    await until(deferred, 'put off once')
    await nodes.submission.relay.kill()
    mx.script = {}
    const since = performance.now()
    const retried = await asked('POST', '/queue/retry', { filter: {}, confirm: 1 })
    assert.deepEqual(retried, { changed: true, complete: true, results: { done: 1 }, left_alone: [] })
    await until(() => subjects().includes('taken before'), 'delivered on order of a process that does not deliver')
    console.log(`delivered ${Math.round(performance.now() - since)} ms after the API was asked to retry it`)
    await again('submission')
    assert.match(await submit(nodes.submission.port, 'after'), /queued/i)
    await until(() => subjects().includes('after'), 'delivered')
  })

  test('the reporter sends what the others counted, also when another one came in its place', async () => {
    await nodes.reporter.relay.kill()
    await again('reporter')
    const today = new Date().toISOString().slice(0, 10)
    await hermetic(nodes.reporter.dir, 'tlsrpt', 'run', '--now', '--day', today)
    const reports = () => mx.messages.filter(({ content }) => content.includes('TLS-Report-Domain: example.test'))
    await until(
      () => reports().length === 1,
      'what the process that delivers has counted was reported, and delivered by it',
    )
  })

  test('orders about reports are refused where nobody sends them', async () => {
    await assert.rejects(hermetic(nodes.submission.dir, 'tlsrpt', 'run'), /role/)
  })

  test('who only answers stops and starts without any mail noticing', async () => {
    await nodes.api.relay.kill()
    assert.match(await submit(nodes.submission.port, 'no api'), /queued/i)
    await until(() => subjects().includes('no api'), 'delivered')
    await again('api')
    assert.match(await hermetic(nodes.api.dir, 'status'), /api/)
    assert.deepEqual(Object(await asked('GET', '/status')).roles, ['api'])
  })
})

async function readiness({ metrics }: Pick<Node, 'metrics'>) {
  const answer = await fetch(`http://127.0.0.1:${metrics}/readyz`).catch(() => undefined)
  if (answer === undefined) return undefined
  return (await answer.json()) as {
    readonly ready: boolean
    readonly reasons: readonly string[]
    readonly notes: readonly string[]
  }
}

async function metric({ metrics }: Node, name: string): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
  return text.split('\n').find((line) => line.startsWith(name)) ?? ''
}

async function submit(port: number, subject: string): Promise<string> {
  const client = await SmtpDialogue.open({ port })
  try {
    await client.reply()
    for (const command of ['EHLO a.test', 'MAIL FROM:<app@sender.test>', 'RCPT TO:<someone@example.test>', 'DATA']) {
      await client.command(command)
    }
    client.send(`Subject: ${subject}\r\nFrom: <app@sender.test>\r\n\r\nhello\r\n.\r\n`)
    return (await client.reply())?.lines.join('') ?? ''
  } finally {
    await client.quit()
  }
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS
  while (!(await condition())) {
    assert.ok(performance.now() < giveUpAt, `not in time: ${what}`)
    await sleep(50)
  }
}
