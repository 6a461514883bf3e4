/**
 * What the owner of a domain should change: the form of one piece of advice, and the order of many. Each rule is in
 * the file of what it is about; every code is listed in `docs/operating/explain.md`. Pure.
 */

export interface Advice {
  /** Stable, for scripts: `mx-not-in-policy`. */
  readonly code: string
  readonly severity: Severity
  /** The host, record or file that it is about. */
  readonly subject: string
  readonly text: string
  /** What to do. */
  readonly remedy: string
  readonly rfc: readonly string[]
}

/** `broken`: mail is kept back, or the policy has no effect; `warning`: it will be, or protection is lost; `hint`. */
export type Severity = 'broken' | 'warning' | 'hint'

const ORDER: Readonly<Record<Severity, number>> = { broken: 0, warning: 1, hint: 2 }

/** The worst first; among equals in the order in which the rules gave them. */
export function worstFirst(advice: readonly Advice[]): readonly Advice[] {
  return advice.toSorted((a, b) => ORDER[a.severity] - ORDER[b.severity])
}

/** Less than this long before its end, a certificate or policy is worth a word. */
export const SOON_MS = 14 * 86_400_000
