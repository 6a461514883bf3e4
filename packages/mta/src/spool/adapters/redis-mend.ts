/**
 * Compares the indexes of the Redis spool with its messages, found by their keys, and mends them. In slices of one
 * script each, so it may run while relays work; whatever they do in between is right when it is looked at.
 */
import { findingsOf } from '../../redis/found.ts'
import { joinedFindings, type MendFinding, type MendReport } from '../mend-report.ts'
import type { RedisCalls } from './redis-connection.ts'
import { type RedisReply, texts } from './redis-records.ts'

const IDS_PER_CALL = 100
const KEYS_PER_SCAN = '1000'
/** Sets of the spool besides its lanes; of the last two only what they are is looked at. */
const SETS = ['ids', 'expiry', 'stopped', 'leases', 'aside', 'due'] as const

export interface RedisMendParts {
  /** What the keys of the spool begin with, and those of its lanes. */
  readonly prefix: string
  readonly lanePrefix: string
  readonly calls: RedisCalls
  readonly mend: (...args: readonly string[]) => Promise<RedisReply>
}

export async function mendRedisSpool(parts: RedisMendParts, fix: boolean): Promise<MendReport> {
  const wanted = fix ? '1' : '0'
  const findings: MendFinding[] = []
  const ask = async (what: string, ...args: readonly string[]) => {
    const [cursor, looked, found] = listOf(await parts.mend(what, wanted, ...args))
    findings.push(...findingsOf(found))
    return { cursor: String(cursor), looked: Number(looked) }
  }
  const members = async (set: string, lane: string): Promise<void> => {
    for (let cursor = '0'; ; ) {
      cursor = (await ask('members', set, cursor, lane)).cursor
      if (cursor === '0') return
    }
  }
  // Strays first: what is missing is then put in without meeting any.
  for (const set of SETS) await members(set, '')
  const lanes = new Set<string>()
  for await (const keys of keysBeginningWith(parts.calls, parts.lanePrefix)) {
    for (const key of keys) {
      const lane = key.slice(parts.lanePrefix.length)
      if (lanes.has(lane)) continue
      lanes.add(lane)
      await members('lane', lane)
    }
  }
  const messages = await walkMessages(parts, ask)
  await ask('bytes')
  return { messages, lanes: lanes.size, findings: joinedFindings(findings) }
}

async function walkMessages(
  { prefix, calls }: RedisMendParts,
  ask: (what: string, ...args: readonly string[]) => Promise<{ readonly looked: number }>,
): Promise<number> {
  let messages = 0
  for await (const keys of keysBeginningWith(calls, `${prefix}m:`)) {
    const ids = keys.map((key) => key.slice(prefix.length + 2))
    for (let at = 0; at < ids.length; at += IDS_PER_CALL) {
      const some = ids.slice(at, at + IDS_PER_CALL)
      messages += (await ask('messages', String(some.length), ...some)).looked
    }
  }
  return messages
}

/** Every key that is there all the time is named, some more than once. */
async function* keysBeginningWith(calls: RedisCalls, prefix: string): AsyncGenerator<readonly string[]> {
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`
  for (let cursor = '0'; ; ) {
    const [next, keys] = listOf(await calls.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', KEYS_PER_SCAN))
    yield texts(keys)
    cursor = String(next)
    if (cursor === '0') return
  }
}

function listOf(reply: RedisReply): readonly RedisReply[] {
  return Array.isArray(reply) ? reply : []
}
