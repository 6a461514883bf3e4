/**
 * How many transactions the nodes of a cluster have open with one site at a time, as its mail exchanger sees it. Those
 * of a process that is stopped, or was while they were open, for longer than what its permits can have left are told
 * apart: their permits are others' by then (architecture §3). Pure but for its own state.
 */
import type { Disturbances } from './disturbances.ts'

export interface OpenTransactionsReport {
  readonly limit: number
  readonly most: number
  /** With those of processes that were stopped beyond their lease. */
  readonly mostWithStopped: number
  /** Beginnings that found more open than the limit. */
  readonly beyond: number
}

/** Permits are leases of 60 s, renewed at a third: what is left of one when its process stops. */
const LEASE_LEFT_MS_MIN = 40_000

export class OpenTransactions {
  readonly #limit: number
  readonly #disturbances: Disturbances
  readonly #open = new Map<symbol, { readonly node: string; readonly since: number }>()
  #most = 0
  #mostWithStopped = 0
  #beyond = 0

  constructor(limit: number, disturbances: Disturbances) {
    this.#limit = limit
    this.#disturbances = disturbances
  }

  note(
    connection: symbol,
    { node, open, now }: { readonly node: string; readonly open: boolean; readonly now: number },
  ): void {
    if (!open) {
      this.#open.delete(connection)
      return
    }
    this.#open.set(connection, { node, since: now })
    this.#mostWithStopped = Math.max(this.#mostWithStopped, this.#open.size)
    const counted = [...this.#open.values()].filter(
      ({ node: one, since }) => this.#disturbances.stoppedSince(one, since, now) < LEASE_LEFT_MS_MIN,
    ).length
    this.#most = Math.max(this.#most, counted)
    if (counted > this.#limit) this.#beyond += 1
  }

  report(): OpenTransactionsReport {
    return {
      limit: this.#limit,
      most: this.#most,
      mostWithStopped: this.#mostWithStopped,
      beyond: this.#beyond,
    }
  }
}
