/**
 * Whether one channel proves what was required of it. Nothing of a message may leave before this said `proven`.
 *
 * Takes the requirement and the facts, returns the level reached or every reason why not. What follows from a failure
 * (skip the host, try in clear on a new connection, defer) is decided by delivery. Pure.
 */
import type { DomainName } from './domain-name.ts'
import type { PeerFacts } from './peer-facts.ts'
import type { Requirement } from './requirement.ts'

export type Channel =
  | { readonly kind: 'clear'; readonly because: ClearBecause }
  | { readonly kind: 'tls'; readonly facts: PeerFacts }

/** `handshake-failed`: on an earlier connection to the same address; this one never saw STARTTLS. */
export type ClearBecause = 'starttls-not-offered' | 'starttls-refused' | 'handshake-failed'

export type Verdict =
  /** The strongest level that was demanded and held; a certificate nobody asked for stays `encrypted`. */
  | { readonly kind: 'proven'; readonly level: 'clear' | 'encrypted' | 'pkix' }
  | { readonly kind: 'failed'; readonly reasons: readonly [VerdictReason, ...VerdictReason[]] }

export type VerdictReason =
  | { readonly kind: 'not-encrypted'; readonly because: ClearBecause }
  | { readonly kind: 'certificate-untrusted'; readonly code: string }
  /** `name` is undefined when the host is known by address only: no certificate proves that. */
  | { readonly kind: 'certificate-name-mismatch'; readonly name: DomainName | undefined }

export function judge(requirement: Requirement, channel: Channel): Verdict {
  if (channel.kind === 'clear') {
    return requirement.floor === 'opportunistic'
      ? { kind: 'proven', level: 'clear' }
      : { kind: 'failed', reasons: [{ kind: 'not-encrypted', because: channel.because }] }
  }
  if (!requirement.pkix) return { kind: 'proven', level: 'encrypted' }
  const [first, ...more] = pkixProblems(channel.facts)
  return first === undefined ? { kind: 'proven', level: 'pkix' } : { kind: 'failed', reasons: [first, ...more] }
}

function pkixProblems({ pkix, name }: PeerFacts): readonly VerdictReason[] {
  const reasons: VerdictReason[] = []
  if (pkix.kind === 'untrusted') reasons.push({ kind: 'certificate-untrusted', code: pkix.code })
  if (name.kind === 'not-asked') reasons.push({ kind: 'certificate-name-mismatch', name: undefined })
  if (name.kind === 'mismatched') reasons.push({ kind: 'certificate-name-mismatch', name: name.name })
  return reasons
}
