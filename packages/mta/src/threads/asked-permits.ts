/**
 * Permits as a thread has them: the owner acquires and holds them, and says which of them are lost. A permit of which
 * the owner has said nothing for a while is not believed: the process was stopped, or its owner hangs.
 */
import type { Permit, Permits, SiteId } from '../limits/permits.ts'
import type { SaidByOwner, SaidByThread } from './protocol.ts'
import type { Room } from './room.ts'

export interface AskedPermitsParts {
  readonly room: Room<SaidByThread, SaidByOwner>
  readonly monotonic: () => number
}

/** Of the lease of 60 s at least 40 are left while it is renewed; the owner beats four times a second. */
const BELIEVED_MS = 10_000

export class AskedPermits implements Permits {
  readonly #room: AskedPermitsParts['room']
  readonly #monotonic: () => number
  readonly #held = new Set<number>()
  /** Who is called when a permit returns; one number for each asker, however often it asks. */
  readonly #waiters = new Map<() => void, number>()
  readonly #byNumber = new Map<number, () => void>()
  #lastWaiter = 0
  #heardAt: number

  constructor({ room, monotonic }: AskedPermitsParts) {
    this.#room = room
    this.#monotonic = monotonic
    this.#heardAt = monotonic()
  }

  async acquire(site: SiteId, onFree?: () => void, lane?: Parameters<Permits['acquire']>[2]) {
    const waiter = onFree === undefined ? undefined : this.#waiter(onFree)
    const asked = { site, lane, ...(waiter === undefined ? {} : { waiter }) }
    const granted = await this.#room.ask('acquire', asked).catch(() => undefined)
    if (granted === undefined) return undefined
    if (waiter !== undefined) this.#forget(waiter)
    this.#held.add(granted.permit)
    return this.#permit(site, granted.permit)
  }

  /** The owner speaks of all permits at once: what it does not name is held. */
  heard(lost: readonly number[]): void {
    this.#heardAt = this.#monotonic()
    for (const permit of lost) this.#held.delete(permit)
  }

  called(waiter: number): void {
    const onFree = this.#byNumber.get(waiter)
    this.#forget(waiter)
    onFree?.()
  }

  #permit(site: SiteId, permit: number): Permit {
    let released = false
    return {
      site,
      isHeld: () => this.#held.has(permit) && this.#monotonic() - this.#heardAt < BELIEVED_MS,
      pace: (ask) => this.#room.ask('pace', { permit, ask }),
      answered: () => this.#room.tell('permit-answered', { permit }),
      release: (feedback) => {
        if (released) return
        released = true
        this.#held.delete(permit)
        this.#room.tell('release-permit', { permit, feedback })
      },
    }
  }

  #waiter(onFree: () => void): number {
    const known = this.#waiters.get(onFree)
    if (known !== undefined) return known
    this.#lastWaiter += 1
    this.#waiters.set(onFree, this.#lastWaiter)
    this.#byNumber.set(this.#lastWaiter, onFree)
    return this.#lastWaiter
  }

  #forget(waiter: number): void {
    const onFree = this.#byNumber.get(waiter)
    this.#byNumber.delete(waiter)
    if (onFree !== undefined) this.#waiters.delete(onFree)
  }
}
