/**
 * Every answer of the Redis spool follows the sync that covers it: shown with strace on a real redis-server, several
 * messages at once so that syncs are shared. That the proof can fail is shown by servers that sync later or never.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { claimAll, delivered, message, settlement } from '../../packages/mta/src/spool/spool.fixture.ts'
import { parseStraceLog, STRACE_OPTIONS, type TracedCall } from '../anomaly/durable-before-250/strace-log.ts'
import { startRedis } from '../lab/redis-server.ts'

const MESSAGES = 12
const TRACE_MS_MAX = 20_000

type Problem = 'not-written' | 'not-synced' | 'answered-before-the-sync'

describe('durable before the answer', { concurrency: 3 }, () => {
  it('what was accepted and what was settled is synced before the server answers anybody', async () => {
    assert.deepEqual(await problemsWith('always'), [])
  })

  it('the proof fails for a server that syncs once a second', async () => {
    const problems = await problemsWith('everysec')
    assert.ok(problems.length > 0 && problems.every((problem) => problem === 'answered-before-the-sync'))
  })

  it('the proof fails for a server that does not sync', async () => {
    const problems = await problemsWith('no')
    assert.deepEqual(new Set(problems), new Set(['not-synced']))
    assert.equal(problems.length, 2 * MESSAGES)
  })
})

async function problemsWith(appendfsync: 'always' | 'everysec' | 'no'): Promise<readonly Problem[]> {
  const directory = await mkdtemp(join(tmpdir(), 'redis-spool-durable-'))
  const trace = join(directory, 'strace.log')
  // -D: the server stays our own child, and the tracer is its grandchild.
  const wrap = ['strace', '-D', ...STRACE_OPTIONS, '-o', trace]
  const redis = await startRedis({ wrap, settings: ['--appendfsync', appendfsync] })
  try {
    const opened = await openRedisSpool({
      address: { url: redis.socket },
      queue: 'durable',
      durability: appendfsync === 'always' ? 'strict' : 'relaxed',
      dataDir: join(directory, 'data'),
      contentDir: join(directory, 'content'),
      maxBytes: 64 * 1024 * 1024,
      emit: () => undefined,
    })
    assert.ok(opened.ok)
    const spool = opened.value
    const now = Date.now()
    const sent = Array.from({ length: MESSAGES }, () => message([1], { receivedAt: now, expiresAt: now + 432_000_000 }))
    const outcomes = await Promise.all(sent.map((one) => spool.accept(one)))
    assert.ok(outcomes.every(({ kind }) => kind === 'accepted'))
    const claims = await claimAll(spool)
    await Promise.all(claims.map(({ token }) => spool.settle(token, settlement(token, [delivered()]))))
    // A server that syncs once a second does so now.
    await sleep(appendfsync === 'everysec' ? 2200 : 0)
    const calls = parseStraceLog(await traceSoFar(trace, sent.at(-1)?.id ?? ''))
    await spool.close()
    return sent.flatMap(({ id }) => [`{hermetic:durable}:spool:m:${id}`].flatMap((key) => problemsOf(calls, key)))
  } finally {
    await redis[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
}

/** The message's first line in the log is its acceptance, its last one its end. */
function problemsOf(calls: readonly TracedCall[], key: string): readonly Problem[] {
  const inLog = calls.filter((call) => call.kind === 'write' && isLog(call.target) && call.bytes.includes(key))
  return [inLog.at(0), inLog.at(-1)].flatMap((write) => {
    const problem = write === undefined ? 'not-written' : problemOf(calls, write)
    return problem === undefined ? [] : [problem]
  })
}

function problemOf(calls: readonly TracedCall[], write: TracedCall): Problem | undefined {
  const sync = calls.find((call) => call.kind === 'sync' && isLog(call.target) && call.span.start > write.span.end)
  if (sync === undefined) return 'not-synced'
  const answered = calls.some(
    (call) =>
      call.kind === 'write' &&
      call.target.startsWith('UNIX') &&
      call.span.end > write.span.start &&
      call.span.start < sync.span.end,
  )
  return answered ? 'answered-before-the-sync' : undefined
}

function isLog(target: string): boolean {
  return target.endsWith('.aof')
}

/** strace writes on for a moment; complete once the end of the last message and an answer behind it are there. */
async function traceSoFar(file: string, lastId: string): Promise<string> {
  const until = performance.now() + TRACE_MS_MAX
  for (;;) {
    const text = await readFile(file, 'latin1')
    const end = text.lastIndexOf(lastId)
    if (end !== -1 && text.indexOf('UNIX', end) !== -1) return text
    if (performance.now() > until) throw new Error('the trace has no end')
    await sleep(50)
  }
}
