/**
 * How far this node's clock is from the store's, from one question and its answer: the store's time belongs somewhere
 * between the two. Due times are written by the nodes and read by the store's clock, ages and days of reports are of
 * the nodes; so a clock that is off makes mail wait too long or too short, and counts it on the wrong day. Pure.
 */
export interface ClockReading {
  /** UTC milliseconds of this node. */
  readonly askedAt: number
  readonly answeredAt: number
  /** UTC milliseconds of the store. */
  readonly storeTime: number
}

export interface ClockSkew {
  /** Positive: this node is ahead. */
  readonly skewMs: number
  /** The question took so long that the skew may be this much more or less. */
  readonly uncertaintyMs: number
}

/** Clocks that are kept by NTP differ by milliseconds; what is off by this much is not kept. */
export const SKEW_MS_MAX = 2_000

export function clockSkew({ askedAt, answeredAt, storeTime }: ClockReading): ClockSkew {
  // A clock that was set back meanwhile leaves nothing to be said about the time in between.
  const tookMs = Math.max(0, answeredAt - askedAt)
  return { skewMs: Math.round(askedAt + tookMs / 2 - storeTime), uncertaintyMs: Math.ceil(tookMs / 2) }
}

/** Surely, whatever the uncertainty. */
export function isOutOfStep({ skewMs, uncertaintyMs }: ClockSkew): boolean {
  return Math.abs(skewMs) - uncertaintyMs > SKEW_MS_MAX
}
