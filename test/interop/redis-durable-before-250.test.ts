/**
 * Every 250 of a relay on Redis is written after the sync that covers its message: the relay and its redis-server are
 * traced with strace, on one clock, for content in Redis and content in files. The analyser and its own tests are in
 * test/anomaly/durable-before-250; that the proof can fail is shown by servers that sync later or never.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { durabilityFindings, type Finding, type Submitted } from '../anomaly/durable-before-250/durability.ts'
import { parseTimedStraceLog, STRACE_OPTIONS, STRACE_TIMES } from '../anomaly/durable-before-250/strace-log.ts'
import { LoadSession } from '../bench/load-session.ts'
import { covers } from '../conformance/covers.ts'
import { startRedis } from '../lab/redis-server.ts'
import { freePort, RelayInstance } from './relay-instance.ts'

const LOG_NAME = 'appendonly.aof.1.incr.aof'
const INLINE_BYTES = 5 * 1024
const FILE_BYTES = 256 * 1024
const INLINE_MESSAGES = 12
const FILE_MESSAGES = 3
const TRACE_TIMEOUT_MS = 20_000

describe('durable before 250, on Redis', () => {
  it('SMTP-52: every 250 follows the sync of its bytes, in the append-only file and in files', async (t) => {
    covers('SMTP-52', { observe: 'store' })
    assert.deepEqual(await findingsOf('always'), [])
    t.diagnostic(`${INLINE_MESSAGES} messages in Redis and ${FILE_MESSAGES} in files`)
  })

  it('the proof fails for a server that syncs once a second', async () => {
    const findings = await findingsOf('everysec')
    assert.ok(findings.length > 0, 'some 250 came before its sync')
  })

  it('the proof fails for every message when the server never syncs', async () => {
    const findings = await findingsOf('no')
    assert.equal(findings.length, INLINE_MESSAGES + FILE_MESSAGES)
    assert.deepEqual(
      new Set(findings.map(({ problem }) => problem)),
      new Set(['bytes-not-synced', 'envelope-not-synced-after-file']),
    )
  })
})

async function findingsOf(appendfsync: 'always' | 'everysec' | 'no'): Promise<readonly Finding[]> {
  const dir = await realpath(await mkdtemp(`${tmpdir()}/hermetic-redis-durable-`))
  const [relayTrace, redisTrace] = [`${dir}/relay.log`, `${dir}/redis.log`]
  // -D: what is traced stays our own child, and the tracer is its grandchild.
  const traced = (file: string): readonly string[] => [
    ...['strace', '-D', ...STRACE_OPTIONS, ...STRACE_TIMES, '-o', file],
  ]
  const redis = await startRedis({ wrap: traced(redisTrace), settings: ['--appendfsync', appendfsync] })
  const port = await freePort()
  let relay: RelayInstance | undefined
  try {
    relay = await RelayInstance.start({
      dir,
      settings: relaySettings({ port, dir, redis: redis.socket, durability: appendfsync }),
      readyPort: port,
      wrap: traced(relayTrace),
    })
    const submitted = await submitAll(port)
    const pids = [relay.pid ?? 0, redis.pid()]
    await relay.stop()
    await redis.stop('SIGKILL')
    const texts = await Promise.all([finishedTrace(relayTrace, pids[0] ?? 0), finishedTrace(redisTrace, pids[1] ?? 0)])
    return durabilityFindings(texts.flatMap(parseTimedStraceLog), submitted, LOG_NAME)
  } finally {
    await relay?.kill()
    await redis[Symbol.asyncDispose]()
    await rm(dir, { recursive: true, force: true })
  }
}

function submitAll(port: number): Promise<readonly Submitted[]> {
  const inline = Array.from({ length: INLINE_MESSAGES }, (_, index) =>
    submitOne(port, { name: `inline${index}`, bytes: INLINE_BYTES, content: 'inline' }),
  )
  const files = Array.from({ length: FILE_MESSAGES }, (_, index) =>
    submitOne(port, { name: `file${index}`, bytes: FILE_BYTES, content: 'file' }),
  )
  return Promise.all([...inline, ...files])
}

async function submitOne(
  port: number,
  message: { readonly name: string; readonly bytes: number; readonly content: Submitted['content'] },
): Promise<Submitted> {
  const session = await LoadSession.open({ host: '127.0.0.1', port, pipelining: true })
  const clientPort = session.localPort
  const lines = Array.from({ length: Math.ceil(message.bytes / LINE_BYTES) }, (_, index) =>
    markedLine(message.name, index),
  )
  await session.submit({
    reversePath: 'sender@origin.test',
    forwardPaths: [`${message.name}@destination.test`],
    head: `From: <sender@origin.test>\r\nTo: <${message.name}@destination.test>\r\nSubject: ${message.name}\r\n\r\n`,
    body: Buffer.from(`${lines.map(({ text }) => text).join('')}.\r\n`),
  })
  session.destroy()
  const ofFile = lines.map(({ pair }) => pair).filter((_, index) => index % FILE_STRIDE === 0)
  // In Redis contents are compressed; the envelope is in the same transaction.
  const recipient = JSON.stringify(message.name)
  const marks = message.content === 'inline' ? ([[recipient, recipient]] as const) : ofFile
  return { clientPort, marks, content: message.content }
}

const LINE_BYTES = 64
/** Of a large content every 32nd line is looked for: at least one in each 4 KiB. */
const FILE_STRIDE = 32

/** Two marks far enough apart that the end of a write cuts at most one of them. */
function markedLine(name: string, index: number): { readonly text: string; readonly pair: readonly [string, string] } {
  const number = String(index).padStart(6, '0')
  const pair = [`<${name}:${number}:a>`, `<${name}:${number}:b>`] as const
  return { text: `${`${pair[0]} `.padEnd(LINE_BYTES - 2 - pair[1].length)}${pair[1]}\r\n`, pair }
}

/** strace writes on for a moment after the traced process has gone. */
async function finishedTrace(file: string, pid: number): Promise<string> {
  const ended = new RegExp(`^${pid} .*\\+\\+\\+ (?:exited with|killed by) `, 'm')
  const until = performance.now() + TRACE_TIMEOUT_MS
  for (;;) {
    const text = await readFile(file, 'latin1')
    if (ended.test(text)) return text
    if (performance.now() > until) throw new Error('the trace has no end')
    await sleep(100)
  }
}

/** Plain, so that the replies can be read in the trace; nothing answers DNS, so the queue only grows. */
function relaySettings({
  port,
  dir,
  redis,
  durability,
}: {
  readonly port: number
  readonly dir: string
  readonly redis: string
  readonly durability: string
}): string {
  return `
[queue]
engine = "redis"
redis_url = "${redis}"
content_dir = "${dir}/shared/content"
durability = "${durability === 'always' ? 'strict' : 'relaxed'}"
max_bytes = "64 MiB"
[[listener]]
kind = "submission"
port = ${port}
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1:9"]
trust = "none"
[metrics]
listen = "127.0.0.1:0"
`
}
