/**
 * What our own settings say of a domain, as a section of an explanation: overrides with how they stand, whether policies
 * are only observed, and its entry of the preload list. Pure.
 */
import { mxPatternText } from '../mta-sts/mx-match.ts'
import type { Mechanism, PolicyOverride, RequiredDemand } from '../override.ts'
import { isOver } from '../preload.ts'
import { assertNever } from '../result.ts'
import type { LocalSection, OverrideSection, PreloadSection } from './explanation.ts'
import type { LocalFacts } from './facts.ts'
import { boundedList, isoTime } from './plain.ts'

/** Undefined: nothing is written about the domain, and policies are enforced. */
export function localSection(facts: LocalFacts | undefined, at: number): LocalSection | undefined {
  if (facts === undefined) return undefined
  const { overrides, enforcement, preload } = facts
  if (overrides.length === 0 && enforcement === 'enforce' && preload === undefined) return undefined
  return {
    enforcement,
    overrides: overrides.map((override) => overrideSection(override, at)),
    ...(preload === undefined ? {} : { preload: preloadSection(preload, at) }),
  }
}

function overrideSection(override: PolicyOverride, at: number): OverrideSection {
  switch (override.kind) {
    case 'require':
      return { kind: 'require', state: 'active', text: `requires ${DEMANDS[override.demand]}` }
    case 'enforcement':
      return {
        kind: 'enforcement',
        state: 'active',
        text: override.enforcement === 'observe' ? 'policies are only observed' : 'policies are enforced',
      }
    case 'waive': {
      const { mechanisms, reason, author, until } = override
      const what = mechanisms.map((mechanism) => MECHANISMS[mechanism]).join(' and ')
      const text = `waives ${what} until ${isoTime(until)}: ${reason} (${author})`
      return { kind: 'waive', state: at < until ? 'active' : 'expired', text }
    }
    default:
      return assertNever(override)
  }
}

const DEMANDS: Readonly<Record<RequiredDemand, string>> = {
  dane: 'DANE',
  pkix: 'a certificate for the name of the host',
  encrypted: 'TLS',
}

const MECHANISMS: Readonly<Record<Mechanism, string>> = { 'mta-sts': 'MTA-STS', dane: 'DANE' }

function preloadSection({ entry, expiresAt, inForce }: NonNullable<LocalFacts['preload']>, at: number): PreloadSection {
  return {
    mode: entry.mode,
    mx: boundedList(entry.mx.map(mxPatternText)),
    state: isOver({ expiresAt }, at) ? 'expired' : inForce ? 'in-force' : 'not-needed',
    ...(expiresAt === undefined ? {} : { expiresAt: isoTime(expiresAt) }),
  }
}
