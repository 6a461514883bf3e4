/**
 * What a session does with its time, and when it has taken too much of it. A client that trickles octets to keep
 * a session is caught by the time since its line or its content began, which no octet extends.
 *
 * Time during which the client waits for us is not charged. Pure: the clock's readings come in as arguments.
 */
import type { SubmissionLimits } from './limits.ts'

export type Overdue = 'idle' | 'slow-line' | 'slow-content' | 'slow-handshake'

type ActivityLimits = Pick<
  SubmissionLimits,
  'idleMs' | 'commandLineMs' | 'contentGraceMs' | 'contentBytesPerSecondMin' | 'contentMs' | 'tlsHandshakeMs'
>

type Phase = 'handshake' | 'commands' | 'content'

export class Activity {
  readonly #limits: ActivityLimits
  #phase: Phase
  #phaseSince: number
  #lastOctetAt: number
  #lineSince: number | undefined
  #contentOctets = 0
  /** Since when the client waits for us. */
  #oursSince: number | undefined

  constructor(limits: ActivityLimits, phase: Phase, now: number) {
    this.#limits = limits
    this.#phase = phase
    this.#phaseSince = now
    this.#lastOctetAt = now
  }

  enter(phase: Phase, now: number): void {
    this.#phase = phase
    this.#phaseSince = now
    this.#lastOctetAt = now
    this.#lineSince = undefined
    this.#contentOctets = 0
  }

  received(octets: number, now: number): void {
    this.#lastOctetAt = now
    if (this.#phase === 'content') this.#contentOctets += octets
  }

  /** `inside`: a command line has begun and not ended. */
  line(inside: boolean, now: number): void {
    if (!inside || this.#phase !== 'commands') this.#lineSince = undefined
    else this.#lineSince ??= now
  }

  ourTurn(now: number): void {
    this.#oursSince ??= now
  }

  clientsTurn(now: number): void {
    if (this.#oursSince === undefined) return
    this.#phaseSince += now - Math.max(this.#oursSince, this.#phaseSince)
    this.#lastOctetAt = now
    this.#oursSince = undefined
  }

  get isOurTurn(): boolean {
    return this.#oursSince !== undefined
  }

  overdue(now: number): Overdue | undefined {
    const limits = this.#limits
    if (this.#oursSince !== undefined) return undefined
    if (this.#phase === 'handshake') {
      return now - this.#phaseSince > limits.tlsHandshakeMs ? 'slow-handshake' : undefined
    }
    if (now - this.#lastOctetAt > limits.idleMs) return 'idle'
    if (this.#phase === 'content') return this.#slowContent(now - this.#phaseSince)
    return this.#lineSince !== undefined && now - this.#lineSince > limits.commandLineMs ? 'slow-line' : undefined
  }

  #slowContent(elapsed: number): Overdue | undefined {
    const { contentMs, contentGraceMs, contentBytesPerSecondMin } = this.#limits
    const owed = ((elapsed - contentGraceMs) / 1000) * contentBytesPerSecondMin
    return elapsed > contentMs || this.#contentOctets < owed ? 'slow-content' : undefined
  }
}
