/**
 * Which failures say that an address takes no mail for good: those whose enhanced status is on the list and that came from
 * the destination itself, not from the end of our patience or from a policy. Pure.
 */
import type { RecipientOutcome } from '../delivery/outcome.ts'
import type { EnhancedStatus } from '../smtp/enhanced-status.ts'

/** `5.1.1`, or `5.1.*` for all of a subject. */
export type StatusPattern = string & { readonly __brand: 'StatusPattern' }

const PATTERN = /^5\.\d{1,3}\.(?:\d{1,3}|\*)$/

export function parseStatusPattern(text: string): StatusPattern | undefined {
  return PATTERN.test(text) ? (text as StatusPattern) : undefined
}

/** What of a destination's answers counts: RCPT is about one recipient, and a domain that is not there has none. */
const OWN_WORDS: ReadonlySet<string> = new Set(['reply', 'null-mx', 'domain-not-found'])

/** The status of a refusal for good; undefined when the outcome is none. */
export function refusalForGood(
  outcome: RecipientOutcome,
  patterns: readonly StatusPattern[],
): EnhancedStatus | undefined {
  if (outcome.kind !== 'failed') return undefined
  const { cause, status, permanence } = outcome.problem
  if (permanence !== 'permanent' || !OWN_WORDS.has(cause.kind)) return undefined
  return patterns.some((pattern) => covers(pattern, status)) ? status : undefined
}

function covers(pattern: StatusPattern, status: EnhancedStatus): boolean {
  return pattern.endsWith('*') ? status.startsWith(pattern.slice(0, -1)) : status === pattern
}
