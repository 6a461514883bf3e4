/**
 * Whether one channel proves what was required of it. Nothing of a message may leave before this said `proven`.
 *
 * Takes the requirement and the facts, returns the level reached or every reason why not. What follows from a failure
 * (skip the host, try in clear on a new connection, defer) is decided by delivery, what is reported of it by
 * `session-result.ts`. Pure.
 */
import type { DomainName } from './domain-name.ts'
import type { PeerFacts } from './peer-facts.ts'
import type { ProofRequirement } from './requirement.ts'
import type { TlsFailure } from './tls-failure.ts'

export type Channel =
  | {
      readonly kind: 'clear'
      readonly because: ClearBecause
      /** How the handshake failed, when that is known. */
      readonly failure?: TlsFailure
    }
  | { readonly kind: 'tls'; readonly facts: PeerFacts }

/** `handshake-failed`: on an earlier connection to the same address; this one never saw STARTTLS. */
export type ClearBecause = 'starttls-not-offered' | 'starttls-refused' | 'handshake-failed'

export type Verdict =
  | { readonly kind: 'proven'; readonly level: ChannelLevel }
  | { readonly kind: 'failed'; readonly reasons: readonly [VerdictReason, ...VerdictReason[]] }

/**
 * The strongest level that holds of those that somebody asked for: a policy of mode `testing` asks too, a certificate
 * that nobody asked for stays `encrypted`. `sts`: the policy names the host, and the host proved its name.
 */
export type ChannelLevel = 'clear' | 'encrypted' | 'pkix' | 'sts'

export type VerdictReason =
  | { readonly kind: 'not-encrypted'; readonly because: ClearBecause }
  | { readonly kind: 'certificate-untrusted'; readonly code: string }
  /** `name` is undefined when the host is known by address only: no certificate proves that. */
  | { readonly kind: 'certificate-name-mismatch'; readonly name: DomainName | undefined }

export function judge(requirement: ProofRequirement, channel: Channel): Verdict {
  if (channel.kind === 'clear') {
    return requirement.floor === 'opportunistic'
      ? { kind: 'proven', level: 'clear' }
      : { kind: 'failed', reasons: [{ kind: 'not-encrypted', because: channel.because }] }
  }
  const [first, ...more] = pkixProblems(channel.facts)
  if (first === undefined) return { kind: 'proven', level: provenLevel(requirement) }
  return requirement.pkix ? { kind: 'failed', reasons: [first, ...more] } : { kind: 'proven', level: 'encrypted' }
}

function provenLevel({ pkix, sts }: ProofRequirement): ChannelLevel {
  if (sts?.matched !== undefined) return 'sts'
  return pkix ? 'pkix' : 'encrypted'
}

/** Everything that keeps a certificate from proving its host, whoever asked. */
export function pkixProblems({ pkix, name }: PeerFacts): readonly CertificateReason[] {
  const reasons: CertificateReason[] = []
  if (pkix.kind === 'untrusted') reasons.push({ kind: 'certificate-untrusted', code: pkix.code })
  if (name.kind === 'not-asked') reasons.push({ kind: 'certificate-name-mismatch', name: undefined })
  if (name.kind === 'mismatched') reasons.push({ kind: 'certificate-name-mismatch', name: name.name })
  return reasons
}

export type CertificateReason = Exclude<VerdictReason, { readonly kind: 'not-encrypted' }>
