/**
 * Messages that were in flight when a thread ended by a defect. One death says little, for it names all that the thread
 * was delivering; who was there in two of them in a row is delivered alone, in a process of its own, before it can
 * take part in a third. Bounded by what is in flight. Pure but for its own state.
 */
import type { QueueId } from '../spool/queue-id.ts'
import type { Claim } from '../spool/spool.ts'

export class ThreadDeaths {
  readonly #aloneAfter: number
  readonly #deaths = new Map<QueueId, number>()

  constructor(aloneAfter: number) {
    this.#aloneAfter = aloneAfter
  }

  /** Of what was left: what may be tried by any thread again, and what may not. */
  died(left: readonly Claim[]): { readonly again: readonly Claim[]; readonly alone: readonly Claim[] } {
    for (const id of new Set(left.map((claim) => claim.id))) this.#deaths.set(id, (this.#deaths.get(id) ?? 0) + 1)
    const suspected = ({ id }: Claim): boolean => (this.#deaths.get(id) ?? 0) >= this.#aloneAfter
    return { again: left.filter((claim) => !suspected(claim)), alone: left.filter(suspected) }
  }

  /** An attempt ended without a death. */
  survived(claims: readonly Claim[]): void {
    if (this.#deaths.size === 0) return
    for (const { id } of claims) this.#deaths.delete(id)
  }
}
