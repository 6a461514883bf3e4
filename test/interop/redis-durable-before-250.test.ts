/**
 * Every 250 of a relay on Redis is written after the sync that covers its message: the relay and its redis-server are
 * traced with strace, on one clock, for content in Redis and content in files. The analyser and its own tests are in
 * test/anomaly/durable-before-250; that the proof can fail is shown by servers that sync later or never.
 */
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { durabilityFindings, type Finding, type Submitted } from '../anomaly/durable-before-250/durability.ts'
import {
  FILE_MESSAGES,
  finishedTrace,
  INLINE_MESSAGES,
  submitMarked,
} from '../anomaly/durable-before-250/marked-messages.ts'
import { parseTimedStraceLog, STRACE_OPTIONS, STRACE_TIMES } from '../anomaly/durable-before-250/strace-log.ts'
import { covers } from '../conformance/covers.ts'
import { startRedis } from '../lab/redis-server.ts'
import { freePort, RelayInstance } from './relay-instance.ts'

const LOG_NAME = 'appendonly.aof.1.incr.aof'
const FILE_BYTES = 256 * 1024

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
    const submitted = await submitMarked({ port, fileBytes: FILE_BYTES, inlineMarks: recipientMark })
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

/** In Redis contents are compressed; the envelope is in the same transaction. */
function recipientMark(name: string): Submitted['marks'] {
  const recipient = JSON.stringify(name)
  return [[recipient, recipient]]
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
