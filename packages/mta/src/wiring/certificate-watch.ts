/** The certificates of listeners as they end: told when they are read, and once a day when the end is near. */
import { certificateEnd, type Expiry, expiry } from '../submission/certificate-expiry.ts'
import type { SubmissionEvent } from '../submission/events.ts'

export interface CertificateWatchOptions {
  readonly emit: (event: SubmissionEvent) => void
  /** UTC milliseconds. */
  readonly now: () => number
}

const LOOK_MS = 86_400_000

export class CertificateWatch {
  readonly #options: CertificateWatchOptions
  readonly #ends = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: CertificateWatchOptions) {
    this.#options = options
  }

  /** This certificate is shown from now on. */
  shown(listener: string, pem: string): void {
    const endsAt = certificateEnd(pem)
    if (endsAt === undefined) return
    this.#ends.set(listener, endsAt)
    this.#options.emit({ event: 'certificate-shown', listener, endsAt })
    this.#tell(listener, endsAt)
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  look(): void {
    for (const [listener, endsAt] of this.#ends) this.#tell(listener, endsAt)
  }

  /** For readiness: those of which somebody should hear. */
  troubles(): readonly { readonly listener: string; readonly endsAt: number; readonly expiry: Expiry }[] {
    const now = this.#options.now()
    return [...this.#ends]
      .map(([listener, endsAt]) => ({ listener, endsAt, expiry: expiry(endsAt, now) }))
      .filter((one) => one.expiry !== 'good')
  }

  #tell(listener: string, endsAt: number): void {
    const state = expiry(endsAt, this.#options.now())
    if (state !== 'good')
      this.#options.emit({ event: 'certificate-ending', listener, endsAt, expired: state === 'expired' })
  }
}
