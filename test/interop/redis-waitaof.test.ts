/**
 * `strict` with replicas: no 250 and no settled outcome without a WAITAOF that names a replica. Whole relays on a real
 * redis-server whose INFO and WAITAOF are scripted (`test/lab/waitaof-proxy.ts`); with a real WAITAOF it is unproven.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { describeStartProblem } from '../../packages/mta/src/cli/start-problem-text.ts'
import { loadConfig } from '../../packages/mta/src/config/load.ts'
import { startRelay } from '../../packages/mta/src/main.ts'
import { startRedis } from '../lab/redis-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { type WaitaofProxy, waitaofProxy } from '../lab/waitaof-proxy.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { submit } from './redis-relay-lab.ts'

const MX = 'mx.example.test'

interface World {
  readonly proxy: WaitaofProxy
  readonly mx: ScriptedMx
  readonly relay: WholeRelay
  readonly subjects: () => readonly string[]
  /** What came of the start, and how often a replica was waited for since the first relay had stopped. */
  restart(): Promise<{ readonly said: string; readonly asked: number }>
}

async function worldOf(t: TestContext): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'hermetic-waitaof-'))
  const redis = await startRedis()
  const proxy = await waitaofProxy(redis.socket, join(directory, 'proxy.sock'))
  const mx = await ScriptedMx.start()
  const relay = await WholeRelay.start({
    settings: `
data_dir = "${directory}/node"
[queue]
engine = "redis"
redis_url = "${proxy.socket}"
content_dir = "${directory}/content"
[delivery]
port = ${mx.port}
retry_quick = ["1s"]
retry_interval = "1s"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
    records: { 'example.test': { MX: [[10, MX]] }, [MX]: { A: [mx.address] } },
  })
  t.after(async () => {
    await relay[Symbol.asyncDispose]()
    await mx.stop()
    await proxy[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })
  return {
    ...{ proxy, mx, relay },
    subjects: () => mx.messages.map(({ content }) => /^Subject: (.*)\r$/m.exec(content.toString())?.[1] ?? ''),
    restart: async () => {
      await relay.relay.stop('test')
      const before = proxy.asked
      const config = loadConfig({ file: relay.file, env: {} })
      assert.ok(config.ok)
      const started = await startRelay(config.value, { version: 'test', logStream: { write: () => undefined } })
      if (started.ok) await started.value.stop('test')
      const said = started.ok ? 'started' : describeStartProblem(started.error)
      return { said, asked: proxy.asked - before }
    },
  }
}

test('a message is answered 250 once a replica has it on disk, and never while none has', async (t) => {
  const { proxy, mx, relay, subjects, restart } = await worldOf(t)
  const askedBefore = proxy.asked
  assert.match(await submit(relay, 'confirmed'), /queued as/)
  assert.ok(proxy.asked > askedBefore, 'it was asked before the answer')
  await relay.until(() => mx.messages.length === 1)

  const refused: string[] = []
  for (const answer of [[1, 0], [0, 1], 'error', 'connection-lost'] as const) {
    proxy.answer = answer
    const subject = `unconfirmed after ${String(answer)}`
    const said = await submit(relay, subject)
    assert.match(said, /^45[12] /, subject)
    refused.push(said)
    // Nothing is promised, and nothing is taken, until there is a replica again.
    await relay.until(() => relay.eventsOf('spool-failing').length === refused.length)
    assert.match(await submit(relay, 'while it fails'), /^452 4\.3\.0 /)
    proxy.answer = [1, 1]
    await relay.until(() => relay.eventsOf('spool-recovered').length === refused.length)
  }
  assert.match(await submit(relay, 'again'), /queued as/)
  await relay.until(() => mx.messages.length === 2)
  assert.deepEqual(subjects(), ['confirmed', 'again'], 'what was refused is not delivered')
  t.diagnostic(`without a replica: ${refused.join(' | ')}`)

  proxy.hasReplica = false
  const { said, asked } = await restart()
  assert.equal(said, 'started', 'alone it is durable by itself')
  assert.equal(asked, 0, 'and nobody is waited for')
})

test('an outcome that no replica has is kept in the journal until one has, and nothing is sent twice', async (t) => {
  const { proxy, mx, relay } = await worldOf(t)
  mx.script = {
    RCPT: () => {
      proxy.answer = [1, 0]
      return undefined
    },
  }
  assert.match(await submit(relay, 'delivered unconfirmed'), /queued as/)
  await relay.until(() => relay.eventsOf('spool-settle-journalled').length === 1)
  assert.equal(mx.messages.length, 1)
  mx.script = {}
  proxy.answer = [1, 1]
  await relay.until(() => relay.eventsOf('spool-journal-replayed').length === 1)
  await relay.until(() => relay.eventsOf('spool-recovered').length === 1)
  assert.match(await submit(relay, 'later'), /queued as/)
  await relay.until(() => mx.messages.length === 2)
})
