/**
 * The right of one turn to begin transactions with its site: a permit that is still held, and a place under the
 * site's rate for each of them. Whoever gets none gives its messages back; the lane comes again when there is one.
 */
import type { Permit, SiteId } from '../limits/permits.ts'
import type { TurnContext, TurnEnd } from '../schedule/lane-scheduler.ts'
import type { Destination } from './facts.ts'

export interface TransactionRightOptions {
  /** Undefined: nobody is dialled. */
  readonly permit: Permit | undefined
  readonly context: Pick<TurnContext, 'signal' | 'othersWaiting'>
  /** Until then mail that arrives need not ask again. */
  readonly onLater: (site: SiteId, ms: number) => void
}

/** A next hop without hosts needs none: nothing is dialled. */
export async function permitFor<P>(
  destination: Destination,
  acquire: (site: SiteId) => Promise<P | undefined>,
): Promise<P | 'none' | undefined> {
  if (destination.kind === 'nobody') return undefined
  return (await acquire(destination.facts.site)) ?? 'none'
}

/** So long a turn keeps its slot and its connection for the next place; longer ones are waited for without them. */
const PATIENCE_MS = 1_000

export class TransactionRight {
  readonly #options: TransactionRightOptions
  /** Until the next place, once there was none in time. */
  #laterMs: number | undefined

  constructor(options: TransactionRightOptions) {
    this.#options = options
  }

  /** May the turn go on? */
  get goesOn(): boolean {
    const { permit, context } = this.#options
    return !context.signal.aborted && this.#laterMs === undefined && permit?.isHeld() !== false
  }

  /** How a turn ends that does not go on: what is due stays due. */
  get end(): TurnEnd {
    return this.#laterMs === undefined ? { kind: 'more' } : { kind: 'parked', retryAfterMs: this.#laterMs }
  }

  /** Before each transaction: waits for its place; false when it may not begin now. */
  async begin(): Promise<boolean> {
    const { permit, context, onLater } = this.#options
    if (!this.goesOn) return false
    if (permit === undefined) return true
    const pace = await permit.pace({ transactions: 1, patienceMs: context.othersWaiting() ? 0 : PATIENCE_MS })
    if (pace.kind === 'later') {
      this.#laterMs = Math.min(this.#laterMs ?? Number.POSITIVE_INFINITY, pace.retryAfterMs)
      onLater(permit.site, this.#laterMs)
      return false
    }
    if (pace.afterMs > 0) await waited(pace.afterMs, context.signal)
    return !context.signal.aborted && permit.isHeld()
  }
}

function waited(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', over)
      resolve()
    }
    const timer = setTimeout(over, ms)
    signal.addEventListener('abort', over)
  })
}
