/**
 * How many messages one worker claims at once. Pure.
 *
 * A batch should keep a connection busy for a moment, not for long: what one worker holds, no other can take, so
 * a slow peer with many connections wants small batches and a fast one large ones.
 */

/** Enough to see how fast the peer is. */
export const FIRST_BATCH = 10
const BATCH_MIN = 4
/** Claiming costs a round to the store; below this the batch was too small to hide it. */
const SHORT_MS = 250
/** Other workers should not wait longer than this for work that is already due. */
const LONG_MS = 1_000

export function nextBatchSize(
  size: number,
  { tookMs, max }: { readonly tookMs: number; readonly max: number },
): number {
  if (tookMs < SHORT_MS) return Math.min(size * 2, max)
  if (tookMs > LONG_MS) return Math.max(Math.min(BATCH_MIN, max), Math.floor(size / 2))
  return size
}
