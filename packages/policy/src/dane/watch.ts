/**
 * Notices that a host lost the protection of DANE: TLSA records that vanished or became unusable, a zone that is no longer
 * signed, lookups that fail where they used to validate. Each loss is told once.
 *
 * It only tells. What DANE demands is said by today's answers alone, and a memory that does not work holds up no mail.
 */
import { isOurTrouble } from '../dns/answer.ts'
import { isValidationFailure } from '../dns/extended-error.ts'
import type { DomainName } from '../domain-name.ts'
import { BoundedMap } from '../mta-sts/bounded-map.ts'
import { type DaneMemory, DaneMemoryUnavailable, type DaneSubject } from '../ports/dane-memory.ts'
import { assertNever } from '../result.ts'
import type { DaneEvent, DaneResult } from './events.ts'
import type { DaneAbsent, DaneFacts, DaneFailure } from './facts.ts'
import type { HostOrigin } from './reference-names.ts'

export interface DaneWatchOptions {
  readonly memory: DaneMemory
  readonly emit: (event: DaneEvent) => void
  /** UTC milliseconds. */
  readonly now: () => number
}

export interface Watched {
  readonly host: DomainName
  readonly port: number
  readonly origin: HostOrigin
}

/** A single answer may get lost; a zone whose signatures are bogus says so at once. */
export const ALARM_AFTER_FAILURES = 3
/** What is seen all day is written down once. */
export const SEEN_AGAIN_MS = 24 * 60 * 60 * 1000
/** A forgotten count costs one more alarm, or one that comes later. */
const FAILING_MAX = 10_000

type TlsaSubject = DaneSubject & { readonly kind: 'tlsa' }

export class DaneWatch {
  readonly #options: DaneWatchOptions
  /** Failures in a row, of hosts that had TLSA records. */
  readonly #failing = new BoundedMap<string, { readonly failures: number; readonly told: boolean }>(FAILING_MAX)

  constructor(options: DaneWatchOptions) {
    this.#options = options
  }

  async observe({ host, port, origin }: Watched, facts: DaneFacts): Promise<void> {
    this.#options.emit({ event: 'dane-looked-up', host, port, result: daneResult(facts) })
    try {
      await this.#observeMx(origin, facts)
      await this.#observeHost({ kind: 'tlsa', host, port }, facts)
    } catch (error) {
      if (!(error instanceof DaneMemoryUnavailable)) throw error
      this.#options.emit({ event: 'dane-memory-failed', detail: error.message })
    }
  }

  async #observeMx(origin: HostOrigin, facts: DaneFacts): Promise<void> {
    if (origin.kind === 'route') return
    const { nextHop, secure } = origin
    const subject: DaneSubject = { kind: 'mx', nextHop }
    if (secure) {
      if (facts.kind === 'tlsa' && facts.usable.length > 0) await this.#seen(subject)
      return
    }
    await this.#tellLost(subject, (lastSeenAt) => ({ event: 'dane-mx-unsigned', nextHop, lastSeenAt }))
  }

  async #observeHost(subject: TlsaSubject, facts: DaneFacts): Promise<void> {
    switch (facts.kind) {
      case 'failure':
        return this.#failed(subject, facts)
      case 'none':
        return this.#without(subject, facts.because)
      case 'tlsa': {
        this.#answered(subject)
        if (facts.usable.length > 0) return this.#seen(subject)
        const { host, port } = subject
        const records = facts.published.length
        return this.#tellLost(subject, (lastSeenAt) => ({
          event: 'dane-tlsa-unusable',
          host,
          port,
          records,
          lastSeenAt,
        }))
      }
      default:
        return assertNever(facts)
    }
  }

  async #without(subject: TlsaSubject, because: DaneAbsent['because']): Promise<void> {
    const { host, port } = subject
    switch (because) {
      case 'no-tlsa':
        this.#answered(subject)
        return this.#tellLost(subject, (lastSeenAt) => ({ event: 'dane-tlsa-vanished', host, port, lastSeenAt }))
      case 'insecure-address':
      case 'insecure-tlsa':
        this.#answered(subject)
        return this.#tellLost(subject, (lastSeenAt) => ({
          event: 'dane-zone-unsigned',
          host,
          port,
          because,
          lastSeenAt,
        }))
      // Nothing was learnt of its TLSA records.
      case 'off':
      case 'address-literal':
      case 'insecure-mx':
      case 'no-address':
        return
      default:
        return assertNever(because)
    }
  }

  async #failed(subject: TlsaSubject, failure: DaneFailure): Promise<void> {
    // Told by `dns/`, once for all hosts.
    if (isOurTrouble(failure.reason)) return
    const lastSeenAt = await this.#options.memory.lastSeen(subject)
    if (lastSeenAt === undefined) return
    const key = failingKey(subject)
    const before = this.#failing.get(key)
    const failures = (before?.failures ?? 0) + 1
    const due = failures >= ALARM_AFTER_FAILURES || isBogus(failure)
    this.#failing.set(key, { failures, told: due || before?.told === true })
    if (!due || before?.told === true) return
    const { host, port } = subject
    const { lookup, name, reason } = failure
    this.#options.emit({ event: 'dane-validation-lost', host, port, lookup, name, reason, failures, lastSeenAt })
  }

  #answered(subject: TlsaSubject): void {
    const key = failingKey(subject)
    const before = this.#failing.get(key)
    if (before === undefined) return
    this.#failing.delete(key)
    const { host, port } = subject
    if (before.told) this.#options.emit({ event: 'dane-validation-restored', host, port, failures: before.failures })
  }

  async #seen(subject: DaneSubject): Promise<void> {
    const { memory, now } = this.#options
    const lastSeenAt = await memory.lastSeen(subject)
    if (lastSeenAt !== undefined && lastSeenAt <= now() && now() - lastSeenAt < SEEN_AGAIN_MS) return
    await memory.remember(subject, now())
  }

  /** By the first who notices. */
  async #tellLost(subject: DaneSubject, loss: (lastSeenAt: number) => DaneEvent): Promise<void> {
    const { memory, emit } = this.#options
    const lastSeenAt = await memory.lastSeen(subject)
    if (lastSeenAt !== undefined && (await memory.forget(subject))) emit(loss(lastSeenAt))
  }
}

export function daneResult(facts: DaneFacts): DaneResult {
  switch (facts.kind) {
    case 'tlsa':
      return facts.usable.length > 0 ? 'usable' : 'unusable'
    case 'none':
      return facts.because
    case 'failure':
      return `${facts.lookup}-failed`
    default:
      return assertNever(facts)
  }
}

function isBogus({ reason }: DaneFailure): boolean {
  return reason.kind === 'rcode' && reason.extendedError !== undefined && isValidationFailure(reason.extendedError)
}

function failingKey({ host, port }: TlsaSubject): string {
  return `${host} ${port}`
}
