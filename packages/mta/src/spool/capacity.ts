/**
 * How full the spool may get (architecture §3: deliver only what can be settled). Pure.
 * Intake stops first, so that what is in the queue can still be delivered and bounced; claims stop before the
 * store is so full that an outcome could not be written.
 */
const INTAKE_SHARE = 0.85 // architecture §3
const CLAIMS_SHARE = 0.95 // architecture §3
const RESERVE_BYTES_MAX = 64 * 1024 * 1024 // architecture §3: kept for settles
/** Small stores keep a sixteenth, so that a limit of a few MiB is not eaten by its own reserve. */
const RESERVE_SHARE = 1 / 16

export interface SpaceFacts {
  /** Bytes in the store and in content files. */
  readonly usedBytes: number
  /** Bytes of accepts that are under way. */
  readonly pendingBytes: number
  /** Free pages inside the store's file: room that the disk does not show. */
  readonly reusableBytes: number
  readonly maxBytes: number
  /** Undefined while the disk cannot be asked. */
  readonly diskFreeBytes: number | undefined
  /** Of a store in memory: what it takes and what it may take, with everything else in it. */
  readonly memory?: { readonly usedBytes: number; readonly maxBytes: number } | undefined
}

export interface Capacity {
  /** Of what is tightest: the limit or the disk, or the memory. */
  readonly usedBytes: number
  readonly limitBytes: number
  readonly intake: 'open' | 'full'
  readonly claims: 'open' | 'stopped'
}

export function capacity(facts: SpaceFacts): Capacity {
  const diskBytes =
    facts.diskFreeBytes === undefined
      ? Number.POSITIVE_INFINITY
      : facts.usedBytes + facts.reusableBytes + facts.diskFreeBytes
  const limitBytes = Math.min(facts.maxBytes, diskBytes)
  const whole = shares(facts.usedBytes, facts.pendingBytes, limitBytes)
  if (facts.memory === undefined) return whole
  const memory = shares(facts.memory.usedBytes, 0, facts.memory.maxBytes)
  const tightest = memory.usedBytes * whole.limitBytes > whole.usedBytes * memory.limitBytes ? memory : whole
  return {
    ...tightest,
    intake: whole.intake === 'full' ? 'full' : memory.intake,
    claims: whole.claims === 'stopped' ? 'stopped' : memory.claims,
  }
}

function shares(usedBytes: number, pendingBytes: number, limitBytes: number): Capacity {
  return {
    usedBytes,
    limitBytes,
    intake: usedBytes + pendingBytes >= limitBytes * INTAKE_SHARE ? 'full' : 'open',
    claims: usedBytes >= limitBytes * CLAIMS_SHARE ? 'stopped' : 'open',
  }
}

export function reserveBytes(maxBytes: number): number {
  return Math.min(RESERVE_BYTES_MAX, Math.floor(maxBytes * RESERVE_SHARE))
}
