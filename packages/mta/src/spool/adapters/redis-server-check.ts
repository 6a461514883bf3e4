/**
 * Whether a server will do for this queue, asked at every connection and now and then: it keeps what it answers
 * (`redis-durability.ts`), and it still is the one that has the queue. A server that comes back empty would else be taken
 * for one without mail.
 */
import type { QueueKeys } from '../../redis/keys.ts'
import { failsOver, type RedisAddress } from '../../redis/redis-address.ts'
import type { RedisCalls } from './redis-connection.ts'
import { ownerIn } from './redis-content-owner.ts'
import { type DurabilityVerdict, durability, formatFinding } from './redis-durability.ts'
import { gatherDurability } from './redis-server-facts.ts'

/**
 * Raised when what the keys mean changes (`redis-lua/prelude.lua`). 2: bulk and urgent mail have scores of their own, and
 * rules hold mail; a relay that knows only 1 would misread both.
 */
export const SCHEMA_VERSION = 2

export interface ServerCheckOptions {
  readonly keys: Pick<QueueKeys, 'spool'>
  readonly queue: string
  /** Of our directory of contents; undefined: nothing is known of this queue yet. */
  readonly mark: string | undefined
  readonly durability: 'strict' | 'relaxed'
  readonly address: RedisAddress
  /** Told each time. */
  readonly onDurability?: (verdict: DurabilityVerdict) => void
}

/** Why a server was not accepted. */
export class NotDurable extends Error {
  override readonly name = 'NotDurable'
  readonly findings: readonly string[]

  constructor(verdict: DurabilityVerdict) {
    const findings = verdict.findings.map(formatFinding)
    super(findings.join('; '))
    this.findings = findings
  }
}

/** Whether its answers must wait for a replica; rejects with `NotDurable`. */
export async function checkServer(redis: RedisCalls, options: ServerCheckOptions): Promise<boolean> {
  const facts = await gatherDurability(redis, failsOver(options.address))
  const verdict = durability({ ...facts, knowsQueue: await knowsQueue(redis, options) }, options.durability)
  options.onDurability?.(verdict)
  const tolerated = verdict.kind === 'durable' || (verdict.kind === 'weak' && options.durability === 'relaxed')
  if (!tolerated) throw new NotDurable(verdict)
  return verdict.confirms
}

/** Where losses are allowed the queue begins anew, for all relays that have it in mind. */
async function knowsQueue(
  redis: RedisCalls,
  { keys, mark, queue, durability: wanted }: ServerCheckOptions,
): Promise<boolean | undefined> {
  if (mark === undefined) return undefined
  const [key, owner] = [`${keys.spool}owner`, ownerIn(mark, queue)]
  const found = await redis.call('GET', key)
  if (found === null && wanted === 'relaxed') {
    await redis.call('SET', `${keys.spool}version`, String(SCHEMA_VERSION), 'NX')
    await redis.call('SET', key, owner, 'NX')
  }
  return found !== null && String(found) === owner
}
