/**
 * Tells of overrides what an operator must hear while the relay runs: what is waived and by whom, that a waiver will end
 * soon, and that it has ended. Whether it counts is decided by the clock in `override.ts`, not here. Keeps what was told,
 * so that each thing is told once.
 */
import type { Enforcement, PolicyOverride, WaiveOverride } from '@hermetic/policy'
import type { LocalPolicyEvent, OverrideCounts, WaiverWords } from './events.ts'

export interface OverrideWatchOptions {
  readonly overrides: readonly PolicyOverride[]
  /** Where no override says otherwise. */
  readonly enforcement: Enforcement
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: (event: LocalPolicyEvent) => void
}

/** Enough to find who wrote it, and to mend what made it necessary. */
export const EXPIRING_MS = 7 * 86_400_000

export class OverrideWatch {
  readonly #options: OverrideWatchOptions
  readonly #expiring = new Set<WaiveOverride>()
  readonly #expired = new Set<WaiveOverride>()

  constructor(options: OverrideWatchOptions) {
    this.#options = options
  }

  /** Once, at the start. */
  tellAll(): void {
    const { overrides, enforcement, now, emit } = this.#options
    emit({ event: 'overrides-in-force', ...overrideCounts(overrides, now()) })
    const observed = overrides.filter((one) => one.kind === 'enforcement' && one.enforcement === 'observe').length
    const everywhere = enforcement === 'observe'
    if (everywhere || observed > 0) emit({ event: 'policies-only-observed', everywhere, overrides: observed })
    for (const waiver of waiversOf(overrides)) {
      if (now() < waiver.until) emit({ event: 'policy-waived', ...words(waiver) })
    }
    this.look()
  }

  /** Every minute or so: what ended since, or will soon. */
  look(): void {
    const { overrides, now, emit } = this.#options
    const at = now()
    let ended = false
    for (const waiver of waiversOf(overrides)) {
      if (waiver.until <= at && !this.#expired.has(waiver)) {
        this.#expired.add(waiver)
        ended = true
        emit({ event: 'policy-waiver-expired', ...words(waiver) })
      } else if (at < waiver.until && waiver.until - at <= EXPIRING_MS && !this.#expiring.has(waiver)) {
        this.#expiring.add(waiver)
        emit({ event: 'policy-waiver-expiring', ...words(waiver) })
      }
    }
    if (ended) emit({ event: 'overrides-in-force', ...overrideCounts(overrides, at) })
  }
}

export function overrideCounts(overrides: readonly PolicyOverride[], now: number): OverrideCounts {
  const waivers = waiversOf(overrides)
  const waived = waivers.filter(({ until }) => now < until).length
  return {
    required: overrides.filter(({ kind }) => kind === 'require').length,
    observed: overrides.filter((one) => one.kind === 'enforcement' && one.enforcement === 'observe').length,
    waived,
    expired: waivers.length - waived,
  }
}

function waiversOf(overrides: readonly PolicyOverride[]): readonly WaiveOverride[] {
  return overrides.filter((override) => override.kind === 'waive')
}

function words(waiver: WaiveOverride): WaiverWords {
  const { mechanisms, reason, author, until } = waiver
  return { domain: domainWords(waiver), mechanisms, reason, author, until }
}

/** As it is written in the configuration. */
export function domainWords({ domain, below }: Pick<PolicyOverride, 'domain' | 'below'>): string {
  return below ? `*.${domain}` : domain
}
