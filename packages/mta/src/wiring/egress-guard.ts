/**
 * The address guard with what this machine knows: the exceptions of the configuration, and our own listeners at
 * every address of the machine, read anew now and then because interfaces come and go.
 */
import { networkInterfaces } from 'node:os'
import { type AddressJudgement, type Cidr, expandWildcards, judgeAddress, type Listener } from '@hermetic/policy'

const INTERFACES_KEPT_MS = 10_000

export class EgressGuard {
  readonly #exceptions: readonly Cidr[]
  #listeners: readonly Listener[] = []
  #expanded: readonly Listener[] = []
  #expandedAt = Number.NEGATIVE_INFINITY

  constructor(exceptions: readonly Cidr[]) {
    this.#exceptions = exceptions
  }

  /** Where we really listen, known once the ports are bound. */
  setListeners(listeners: readonly Listener[]): void {
    this.#listeners = listeners
    this.#expandedAt = Number.NEGATIVE_INFINITY
  }

  judge(address: string, port: number): AddressJudgement {
    return judgeAddress(address, { exceptions: this.#exceptions, ownListeners: this.#own(), port })
  }

  #own(): readonly Listener[] {
    const now = performance.now()
    if (now - this.#expandedAt > INTERFACES_KEPT_MS) {
      const addresses = Object.values(networkInterfaces()).flatMap((of) => (of ?? []).map(({ address }) => address))
      this.#expanded = expandWildcards(this.#listeners, addresses)
      this.#expandedAt = now
    }
    return this.#expanded
  }
}
