/**
 * Relays of one queue as processes: how they stand, what a drain and a SIGTERM hand over and how fast, who is silent,
 * and who may not have an id.
 */
import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DnsServer, startDnsServer, zone } from '../lab/dns-server.ts'
import type { MxScript } from '../lab/mx-script.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { freePort, hermetic, RelayInstance } from './relay-instance.ts'

/** What another node delivers that this one has handed over comes within about a second. */
const HANDED_OVER_MS = 2_000
const SILENT_MS = 5_000
/** One batch and more. */
const MESSAGES = 20

interface Node {
  readonly dir: string
  readonly port: number
  readonly metrics: number
  readonly settings: string
  readonly lines: string[]
  relay: RelayInstance
}

interface ShownNode {
  readonly node_id: string
  readonly here: boolean
  readonly pid: number
  readonly state: string
  readonly in_flight: number
}

describe('relays of one queue', () => {
  let directory: string
  let redis: RedisServer
  let dns: DnsServer
  let mx: ScriptedMx
  let one: Node
  let two: Node

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hermetic-nodes-'))
    redis = await startRedis()
    mx = await ScriptedMx.start()
    dns = await startDnsServer({
      zones: [zone({ 'example.test': { MX: [[10, 'mx.example.test']] }, 'mx.example.test': { A: [mx.address] } })],
    })
    ;[one, two] = await Promise.all([start('one'), start('two')])
  })

  after(async () => {
    await Promise.all([one, two].map((node) => node?.relay.kill()))
    await mx?.stop()
    await dns?.close()
    await redis?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  async function start(name: string): Promise<Node> {
    const [port, metrics] = [await freePort(), await freePort()]
    const settings = settingsOf({ port, metrics, mx: mx.port, dns: dns.port, redis: redis.socket, directory })
    const dir = join(directory, name)
    const lines: string[] = []
    const relay = await RelayInstance.start({ dir, settings, readyPort: port, onLine: (line) => lines.push(line) })
    return { dir, port, metrics, settings, lines, relay }
  }

  async function again(node: Node): Promise<void> {
    node.relay = await RelayInstance.start({ ...node, readyPort: node.port, onLine: (line) => node.lines.push(line) })
  }

  test('each is listed by each, also by the command line without a relay of its own', async () => {
    const listed = await shown(one)
    assert.deepEqual(
      listed.map(({ state }) => state),
      ['running', 'running'],
    )
    assert.deepEqual(listed.map(({ pid }) => pid).toSorted(), [one.relay.pid, two.relay.pid].toSorted())
    const outside = join(directory, 'outside')
    await mkdir(outside)
    const settings = await readFile(join(one.dir, 'hermetic.toml'), 'utf8')
    await writeFile(join(outside, 'hermetic.toml'), settings.replace(`${one.dir}/data`, `${outside}/data`))
    const text = await hermetic(outside, 'nodes')
    assert.match(text, /^NODE +MACHINE +STATE/)
    assert.equal(text.match(/\brunning\b/g)?.length, 2)
  })

  test('a drained relay hands its lanes over at once, takes no sessions, is not ready, and comes back', async (t) => {
    const held = holdingFirst(mx)
    await submit(one, 'drained')
    await held.waiting
    const busy = await holder(mx, [one, two])
    const other = busy === one ? two : one
    const drainedAt = performance.now()
    // Ordered at the other: any node takes orders for any.
    await hermetic(other.dir, 'drain', await idOf(busy), '--no-wait')
    await mx.received(MESSAGES - 1)
    const took = performance.now() - drainedAt
    t.diagnostic(`${MESSAGES - 1} messages elsewhere ${Math.round(took)} ms after the order was typed`)
    const probe = await fetch(`http://127.0.0.1:${busy.metrics}/readyz`)
    assert.equal(probe.status, 503)
    assert.deepEqual(((await probe.json()) as { reasons: unknown }).reasons, ['the relay is draining'])
    assert.match((await greeting(busy)) ?? '', /^421 4\.3\.2 /)
    await until(async () => {
      const listed = (await shown(other)).find(({ pid }) => pid === busy.relay.pid)
      return listed?.state === 'draining' && listed.in_flight === 1
    }, 15_000)
    held.answer()
    assert.match(await hermetic(busy.dir, 'drain'), /is drained: nothing is under way/)
    await mx.received(MESSAGES)
    assert.match(await hermetic(busy.dir, 'drain', '--undo'), /takes lanes and sessions again/)
    assert.match((await greeting(busy)) ?? '', /^220 /)
    assertEachOnce(mx, 'drained')
    assert.deepEqual(
      busy.lines.flatMap((line) => /"event":"(node-(?!outdated)[a-z]+)"/.exec(line)?.[1] ?? []),
      ['node-joined', 'node-draining', 'node-drained', 'node-resumed'],
    )
  })

  test('after SIGTERM the others deliver what is released within about a second', async (t) => {
    const held = holdingFirst(mx)
    await submit(one, 'stopped')
    await held.waiting
    const stopping = await holder(mx, [one, two])
    const before = mx.messages.length
    const stoppedAt = performance.now()
    const stopped = stopping.relay.stop()
    await mx.received(before + MESSAGES - 1)
    const took = performance.now() - stoppedAt
    t.diagnostic(`${MESSAGES - 1} messages elsewhere ${Math.round(took)} ms after SIGTERM`)
    assert.ok(took < HANDED_OVER_MS, `${took} ms`)
    assert.ok(stopping.relay.running, 'the reply to its last dot is waited for')
    held.answer()
    await stopped
    await mx.received(before + MESSAGES)
    assertEachOnce(mx, 'stopped')
    const other = stopping === one ? two : one
    assert.equal((await shown(other)).length, 1, 'who stops in order is not listed any more')
    await again(stopping)
  })

  test('a stopped process is silent after some beats, and heard again; mail goes on meanwhile', async () => {
    const { pid = 0 } = one.relay
    process.kill(pid, 'SIGSTOP')
    try {
      await until(async () => stateOf(await shown(two), pid) === 'silent', SILENT_MS + 15_000)
      await assert.rejects(hermetic(two.dir, 'drain', await idOf(one)), /is silent: it hears no orders/)
      const before = mx.messages.length
      await submit(two, 'silent', 3)
      await mx.received(before + 3)
      await until(async () => two.lines.some((line) => line.includes('"event":"node-silent"')), 15_000)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await until(async () => stateOf(await shown(two), pid) === 'running', 15_000)
    await until(async () => two.lines.some((line) => line.includes('"event":"node-heard-again"')), 15_000)
  })

  test('a relay that was killed takes its id back at once; a copy of a data_dir is refused', async () => {
    const id = await idOf(one)
    const { pid } = one.relay
    await one.relay.kill()
    await again(one)
    assert.equal(await idOf(one), id)
    assert.ok(one.lines.some((line) => line.includes(`"before":${pid}`)))
    assert.equal((await shown(two)).length, 2)

    const copy = join(directory, 'copy')
    await mkdir(join(copy, 'data'), { recursive: true })
    await copyFile(join(one.dir, 'data', 'node-id'), join(copy, 'data', 'node-id'))
    const port = await freePort()
    const settings = settingsOf({ port, metrics: 0, mx: mx.port, dns: dns.port, redis: redis.socket, directory })
    const refused = await RelayInstance.launch({ dir: copy, settings, readyPort: port })
    await until(async () => !refused.running, 15_000)
    assert.match(refused.output, /another relay of this queue goes by the id .*node-id \([0-9a-f]{12}\): pid \d+ on /)
    assert.equal(stateOf(await shown(two), one.relay.pid ?? 0), 'running', 'the first one goes on')
  })
})

interface Places {
  readonly port: number
  readonly metrics: number
  readonly mx: number
  readonly dns: number
  readonly redis: string
  readonly directory: string
}

function settingsOf({ port, metrics, mx, dns, redis, directory }: Places): string {
  return `
[queue]
engine = "redis"
redis_url = "${redis}"
content_dir = "${directory}/content"
[delivery]
port = ${mx}
concurrency_per_site = 4
[dns]
servers = ["127.0.0.1:${dns}"]
trust = "none"
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:${metrics}"
[[listener]]
kind = "relay"
address = "127.0.0.1"
port = ${port}
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
}

/** The next transaction that comes to its final dot has no answer until it is told; all others have one at once. */
function holdingFirst(mx: ScriptedMx): { readonly waiting: Promise<void>; answer(): void } {
  const waiting = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  let first = true
  const script: MxScript = {
    DOT: async () => {
      if (!first) return undefined
      first = false
      waiting.resolve()
      await released.promise
      return undefined
    },
  }
  mx.script = script
  return { waiting: waiting.promise, answer: () => released.resolve() }
}

/** Whose connection is held: the one with messages in flight. */
async function holder(mx: ScriptedMx, nodes: readonly [Node, Node]): Promise<Node> {
  assert.ok(mx.connections.length > 0)
  let busy: Node | undefined
  await until(async () => {
    const inFlight = (await shown(nodes[0])).filter((node) => node.in_flight > 0)
    busy = nodes.find(({ relay }) => inFlight.length === 1 && inFlight[0]?.pid === relay.pid)
    return busy !== undefined
  }, 15_000)
  return busy ?? nodes[0]
}

async function submit(node: Node, subject: string, count = MESSAGES): Promise<void> {
  const client = await SmtpDialogue.open({ port: node.port })
  await client.reply()
  await client.command('EHLO app.sender.test')
  for (let n = 0; n < count; n += 1) {
    await client.command('MAIL FROM:<app@sender.test>')
    await client.command('RCPT TO:<someone@example.test>')
    await client.command('DATA')
    const reply = await client.command(`Subject: ${subject} ${n}\r\nFrom: <app@sender.test>\r\n\r\nhello\r\n.`)
    assert.equal(reply.code, 250)
  }
  await client.quit()
}

function assertEachOnce(mx: ScriptedMx, subject: string): void {
  const subjects = mx.messages.flatMap(
    ({ content }) => /^Subject: (.*)\r$/m.exec(content.toString('latin1'))?.[1] ?? [],
  )
  const ours = subjects.filter((one) => one.startsWith(subject))
  const wanted = Array.from({ length: MESSAGES }, (_, n) => `${subject} ${n}`)
  assert.deepEqual(ours.toSorted(), wanted.toSorted())
}

async function greeting(node: Node): Promise<string | undefined> {
  const client = await SmtpDialogue.open({ port: node.port })
  const reply = await client.reply()
  client.destroy()
  return reply?.lines.join('\n')
}

async function shown(node: Node): Promise<readonly ShownNode[]> {
  const text = await hermetic(node.dir, 'nodes', '--json')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ShownNode)
}

function stateOf(nodes: readonly ShownNode[], pid: number): string | undefined {
  return nodes.find((node) => node.pid === pid)?.state
}

async function idOf(node: Node): Promise<string> {
  const text = await readFile(join(node.dir, 'data', 'node-id'), 'utf8')
  return text.trim()
}

async function until(condition: () => Promise<boolean>, ms: number): Promise<void> {
  const giveUpAt = performance.now() + ms
  while (!(await condition())) {
    assert.ok(performance.now() < giveUpAt, `this never happened: ${condition.toString()}`)
    await sleep(50)
  }
}
