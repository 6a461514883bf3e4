/**
 * Messages that were in flight at two deaths of threads in a row: delivered one after the other, each in a child
 * process. Only the death of such a child while we live quarantines its message (architecture §3, as for suspects of
 * a crash). Until its turn comes, a message stays claimed by us.
 */
import { type ChildEnd, pause, type TriedEnd } from '../delivery/suspect-retry.ts'
import type { CrashSuspects } from '../spool/crash-suspects.ts'
import type { Claim, Spool } from '../spool/spool.ts'

export interface LoneMailOptions {
  readonly spool: Pick<Spool, 'renew' | 'release'> & { readonly suspects: Pick<CrashSuspects, 'quarantine'> }
  readonly leaseMs: number
  readonly monotonic: () => number
  readonly deliver: (claim: Claim, signal: AbortSignal) => Promise<ChildEnd>
  readonly tried: (claim: Claim, end: TriedEnd) => void
  readonly onTrouble: (error: unknown) => void
}

const RENEWALS_PER_LEASE = 3

export class LoneMail {
  readonly #options: LoneMailOptions
  readonly #waiting: Claim[] = []
  readonly #stopping = new AbortController()
  readonly #renewing: NodeJS.Timeout
  #working: Promise<void> | undefined

  constructor(options: LoneMailOptions) {
    this.#options = options
    this.#renewing = setInterval(() => void this.#renew(), options.leaseMs / RENEWALS_PER_LEASE).unref()
  }

  get messages(): number {
    return this.#waiting.length
  }

  add(claims: readonly Claim[]): void {
    this.#waiting.push(...claims)
    if (claims.length > 0)
      this.#working ??= this.#work().finally(() => {
        this.#working = undefined
      })
  }

  /** The child that runs is stopped in good manner; what waits goes back. */
  async close(): Promise<void> {
    clearInterval(this.#renewing)
    this.#stopping.abort()
    await this.#working
    await this.#release(this.#waiting.splice(0))
  }

  async #work(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const claim = this.#waiting.shift()
      if (claim === undefined) return
      try {
        await this.#try(claim)
      } catch (error) {
        this.#options.onTrouble(error)
        await this.#release([claim])
      }
    }
  }

  async #try(claim: Claim): Promise<void> {
    const { spool, leaseMs, monotonic, deliver, tried } = this.#options
    const leaseUntilMono = monotonic() + leaseMs
    const ours = await spool.renew([claim.token], leaseMs)
    if (!ours.has(claim.token)) return
    const end = await deliver({ ...claim, leaseUntilMono }, this.#stopping.signal)
    if (end.kind === 'waits') {
      this.#waiting.push({ ...claim, leaseUntilMono })
      return pause(end.retryAfterMs, this.#stopping.signal)
    }
    // Settled, and due later; it comes back here when threads die of it again.
    if (end.kind === 'delayed') return
    tried(claim, end)
    if (end.kind === 'inconclusive') await spool.release([claim.token])
    if (end.kind !== 'died') return
    const reason = `crash: two threads and then the process that delivered it alone died (${end.detail})`
    await spool.suspects.quarantine(claim.id, reason)
  }

  async #renew(): Promise<void> {
    if (this.#waiting.length === 0) return
    const tokens = this.#waiting.map(({ token }) => token)
    await this.#options.spool.renew(tokens, this.#options.leaseMs).catch(this.#options.onTrouble)
  }

  async #release(claims: readonly Claim[]): Promise<void> {
    if (claims.length === 0) return
    await this.#options.spool.release(claims.map(({ token }) => token)).catch(this.#options.onTrouble)
  }
}
