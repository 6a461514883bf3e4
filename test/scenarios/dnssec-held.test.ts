/**
 * Who vouches for DNSSEC, as `hermetic start` has it: what a start decides, what data_dir remembers of it, and what
 * becomes of mail while nobody validates (architecture, decision 6).
 */
import assert from 'node:assert/strict'
import { access, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { NameRecords } from '../lab/dns-server.ts'
import { zone } from '../lab/dns-server.ts'
import { testEngine } from '../lab/engine-of-test.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const MESSAGE = 'Subject: hello\r\nFrom: <a@sender.test>\r\n\r\nhello\r\n.\r\n'
const TIMING = { periodMs: 50, retryMs: 50, freshMs: 0, patienceMs: 0 }
/** On Redis the nodes share the memory (`test/interop/redis-dnssec-memory.test.ts`). */
const MEMORY_IS_A_FILE = testEngine() === 'embedded'

/** With it the name server of a world validates, as far as anybody can see. */
const ROOT: Readonly<Record<string, NameRecords>> = { '.': { SOA: true, secure: true } }

class World implements AsyncDisposable {
  readonly directory: string
  readonly mx: ScriptedMx

  static async open(): Promise<World> {
    return new World(await mkdtemp(join(tmpdir(), 'dnssec-held-')), await ScriptedMx.start())
  }

  private constructor(directory: string, mx: ScriptedMx) {
    this.directory = directory
    this.mx = mx
  }

  get memory(): string {
    return join(this.directory, 'data', 'dane-enabled')
  }

  get records(): Readonly<Record<string, NameRecords>> {
    return { 'example.test': { MX: [[10, 'mx.example.test']] }, 'mx.example.test': { A: [this.mx.address] } }
  }

  start({ validates, dane = '"auto"' }: { readonly validates: boolean; readonly dane?: string }): Promise<WholeRelay> {
    return WholeRelay.start({
      trust: 'ad',
      dnssec: { timing: TIMING, folders: [] },
      settings: `
data_dir = "${this.directory}/data"
[dane]
enabled = ${dane}
[delivery]
port = ${this.mx.port}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
      records: { ...this.records, ...(validates ? ROOT : {}) },
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mx[Symbol.asyncDispose]()
    await rm(this.directory, { recursive: true, force: true })
  }
}

async function submit(relay: WholeRelay): Promise<void> {
  const client = await relay.greeted()
  await client.command('MAIL FROM:<a@sender.test>')
  await client.command('RCPT TO:<bob@example.test>')
  await client.command('DATA')
  client.send(MESSAGE)
  assert.equal((await client.reply())?.code, 250)
  await client.quit()
}

async function readyz(
  relay: WholeRelay,
): Promise<{ status: number; reasons: readonly string[]; notes: readonly string[] }> {
  const response = await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/readyz`)
  const { reasons, notes } = (await response.json()) as { reasons: readonly string[]; notes: readonly string[] }
  return { status: response.status, reasons, notes }
}

const settled = (relay: WholeRelay): number => relay.eventsOf('message-settled').length

describe('a start without anybody who validates', () => {
  test('delivers without DANE the first time, is ready, and says so', async () => {
    await using world = await World.open()
    await using relay = await world.start({ validates: false })
    await submit(relay)
    await relay.until(() => world.mx.messages.length === 1)
    const { status, notes } = await readyz(relay)
    assert.equal(status, 200)
    assert.match(
      notes.join(),
      /^DANE is off until the next start: nobody validates DNSSEC \(127\.0\.0\.1 port \d+ did not answer/,
    )
    await assert.rejects(access(world.memory))
  })

  test('accepts mail and holds it where DANE was on; nothing is tried, and all of it goes once somebody validates', async () => {
    await using world = await World.open()
    {
      await using relay = await world.start({ validates: true })
      await submit(relay)
      await relay.until(() => world.mx.messages.length === 1 && settled(relay) === 1)
      assert.equal((await readyz(relay)).status, 200)
      if (MEMORY_IS_A_FILE) assert.equal((await stat(world.memory)).mode & 0o777, 0o600)
    }
    await using relay = await world.start({ validates: false })
    await submit(relay)
    await submit(relay)
    const { status, reasons } = await readyz(relay)
    assert.equal(status, 503)
    assert.match(reasons.join(), /^no mail is delivered: DANE is on, and nobody validates DNSSEC/)
    assert.equal(relay.eventsOf('dnssec-lost')[0]?.delivery, 'held')
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal(world.mx.connections.length, 1, 'the first message, of the first start')
    assert.deepEqual([...new Set(relay.queries.map(({ name }) => name))], ['.'], 'not even DNS is asked for mail')
    assert.equal(settled(relay), 0)

    relay.dns.serve(zone({ ...world.records, ...ROOT }))
    await relay.until(() => world.mx.messages.length === 3)
    await relay.until(() => settled(relay) === 2)
    assert.equal((await readyz(relay)).status, 200)
    assert.match(relay.lines.join(''), /"event":"dnssec-lost".*"event":"dnssec-validating"/s)
  })

  test('holds at a first start too when dane.enabled is true, and stops in order while it does', async () => {
    await using world = await World.open()
    const relay = await world.start({ validates: false, dane: 'true' })
    await submit(relay)
    assert.equal((await readyz(relay)).status, 503)
    await relay[Symbol.asyncDispose]()
    assert.equal(world.mx.connections.length, 0)
    assert.equal(relay.eventsOf('relay-stopped').length, 1)
  })

  test('goes on without when the operator says false, and forgets', async () => {
    await using world = await World.open()
    await (await world.start({ validates: true }))[Symbol.asyncDispose]()
    if (MEMORY_IS_A_FILE) await access(world.memory)
    {
      await using relay = await world.start({ validates: false, dane: 'false' })
      await submit(relay)
      await relay.until(() => world.mx.messages.length === 1)
      assert.deepEqual((await readyz(relay)).notes, [])
    }
    await assert.rejects(access(world.memory))
  })

  const skip = MEMORY_IS_A_FILE ? false : 'the memory is no file on Redis'
  test('takes a memory that cannot be read for one of DANE', { skip }, async () => {
    await using world = await World.open()
    await (await world.start({ validates: true }))[Symbol.asyncDispose]()
    await rm(world.memory)
    await mkdir(world.memory)
    await using relay = await world.start({ validates: false })
    assert.equal((await readyz(relay)).status, 503)
    assert.equal(relay.eventsOf('dnssec-memory-failed').length, 1)
  })
})

test('validation that is lost while the relay runs makes mail wait, and readiness red, until it is back', async () => {
  await using world = await World.open()
  await using relay = await world.start({ validates: true })
  relay.dns.fail('.', { kind: 'ad', ad: false })
  await submit(relay)
  await relay.until(() => relay.eventsOf('next-hop-failed').length === 1)
  assert.equal(settled(relay), 0, 'that was no attempt')
  assert.equal(world.mx.connections.length, 0)
  const problem = relay.eventsOf('next-hop-failed')[0]?.problem
  assert.deepEqual([problem?.cause.kind, problem?.status, problem?.permanence], ['dns-failure', '4.4.3', 'transient'])
  const { status, reasons } = await readyz(relay)
  assert.equal(status, 503)
  assert.match(reasons.join(), /^nobody validates DNSSEC now \(127\.0\.0\.1 port \d+ does not validate/)

  relay.dns.heal('.')
  await relay.until(() => relay.eventsOf('dnssec-validating').length === 2)
  assert.equal((await readyz(relay)).status, 200)
})
