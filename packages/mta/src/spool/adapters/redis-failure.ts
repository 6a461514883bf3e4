/**
 * What a failed call says about the store, read from the code that begins every error reply of Redis, never from the
 * words behind it. Pure.
 */
import { replyCode } from '@hermetic/policy/redis-script'
import { redisTrouble } from '../../redis/redis-trouble.ts'
import { NotInTime } from '../in-time.ts'
import type { StoreFailure } from '../store-failed.ts'

export type RedisFailure = StoreFailure & {
  readonly outcomeUnknown: boolean
  /** Another connection may lead to a server that can, e.g. after a failover. */
  readonly reconnect: boolean
}

/** The server refused before anything ran; it, or we, cannot now. */
const NOT_NOW: ReadonlySet<string> = new Set(['LOADING', 'MISCONF', 'BUSY', 'NOREPLICAS', 'TRYAGAIN'])
/** This is not the server that we are looking for, or no longer. */
const WRONG_SERVER: ReadonlySet<string> = new Set([
  'READONLY',
  'MASTERDOWN',
  'MOVED',
  'ASK',
  'CLUSTERDOWN',
  'NOAUTH',
  'NOPERM',
  'WRONGPASS',
])

const SAID_MAX = 200

export function redisFailure(error: unknown): RedisFailure {
  const code = replyCode(error)
  const detail = code === undefined ? unanswered(error) : (saidOf(error, code) ?? `Redis ${code}`)
  if (code === undefined) return { scope: 'store', full: false, detail, outcomeUnknown: true, reconnect: false }
  if (code === 'OOM') return { scope: 'operation', full: true, detail, outcomeUnknown: false, reconnect: false }
  if (NOT_NOW.has(code)) return { scope: 'store', full: false, detail, outcomeUnknown: false, reconnect: false }
  if (WRONG_SERVER.has(code)) return { scope: 'store', full: false, detail, outcomeUnknown: false, reconnect: true }
  // A broken invariant of ours in that script, which may have run half.
  return { scope: 'operation', full: false, detail: String(error), outcomeUnknown: true, reconnect: false }
}

/** The client's own words speak of its options. */
function unanswered(error: unknown): string {
  return error instanceof NotInTime ? error.message : redisTrouble(error)
}

/** Which right is missing only the server can say. */
function saidOf(error: unknown, code: string): string | undefined {
  return code === 'NOPERM' && error instanceof Error ? `Redis ${error.message.slice(0, SAID_MAX)}` : undefined
}
