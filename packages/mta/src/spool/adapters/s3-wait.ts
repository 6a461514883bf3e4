/**
 * How long a request to a bucket may take: until it is answered, between two octets of an object, and in all, by the size of
 * the object. A link that is slow but works is waited for; a store that is silent, or sends a drop at a time, is not.
 */

export interface S3Patience {
  /** Until the answer begins; all of it where the answer is small. */
  readonly answerMs: number
  /** Without an octet of an object. */
  readonly idleMs: number
  /** An object may take as long as this takes, and `answerMs`. */
  readonly octetsPerSecondMin: number
}

export const S3_PATIENCE: S3Patience = {
  // The clients of AWS wait for 60 s (botocore, `read_timeout`); half of it, for an accept has 60 s in all.
  answerMs: 30_000,
  idleMs: 30_000,
  // A Mbit/s shared by two; 50 MiB are over after 14 minutes, and the lease is renewed meanwhile.
  octetsPerSecondMin: 64 * 1024,
}

export class S3Wait {
  readonly #patience: S3Patience
  readonly #gone = new AbortController()
  #quiet: NodeJS.Timeout
  #whole: NodeJS.Timeout | undefined

  constructor(patience: S3Patience) {
    this.#patience = patience
    this.#quiet = setTimeout(() => this.#gone.abort(), patience.answerMs)
  }

  get signal(): AbortSignal {
    return this.#gone.signal
  }

  get isOver(): boolean {
    return this.signal.aborted
  }

  /** An object of this size follows. */
  answered(octets: number): void {
    const { answerMs, octetsPerSecondMin } = this.#patience
    this.heard()
    this.#whole = setTimeout(() => this.#gone.abort(), answerMs + (octets / octetsPerSecondMin) * 1000)
  }

  heard(): void {
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => this.#gone.abort(), this.#patience.idleMs)
  }

  end(): void {
    clearTimeout(this.#quiet)
    clearTimeout(this.#whole)
  }
}
