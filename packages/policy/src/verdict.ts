/**
 * Whether one channel proves what was required of it. Nothing of a message may leave before this said `proven`.
 *
 * Takes the requirement and the facts, returns the level reached or every reason why not. Each demanded proof is looked
 * at by itself: a good one never makes up for a bad one (RFC 8461 §2, RFC 7672 §2.2). What follows from a failure (skip
 * the host, try in clear on a new connection, defer) is decided by delivery, what is reported of it by
 * `session-result.ts`. Pure.
 */

import { type ChannelLevel, LEVELS } from './channel-level.ts'
import type { DaneAuthentication, DaneReason } from './dane/facts.ts'
import type { DomainName } from './domain-name.ts'
import type { Mechanism } from './override.ts'
import type { PeerFacts } from './peer-facts.ts'
import type { ProofRequirement, Unreachable, UnreachableReason } from './requirement.ts'
import type { Demands } from './requirement-tables.ts'
import { assertNever, invariant } from './result.ts'
import type { TlsFailure } from './tls-failure.ts'

export type { ChannelLevel } from './channel-level.ts'

export type Channel =
  | {
      readonly kind: 'clear'
      readonly because: ClearBecause
      /** How the handshake failed, when that is known. */
      readonly failure?: TlsFailure
      /** The code of the reply by which STARTTLS was refused. */
      readonly reply?: number
    }
  | {
      readonly kind: 'tls'
      readonly facts: PeerFacts
      /** Of the chain against the usable TLSA records; there must be one where the requirement has such records. */
      readonly dane?: DaneAuthentication
    }

/** `handshake-failed`: on an earlier connection to the same address; this one never saw STARTTLS. */
export type ClearBecause = 'starttls-not-offered' | 'starttls-refused' | 'handshake-failed'

export type Verdict =
  | {
      readonly kind: 'proven'
      readonly level: ChannelLevel
      /** Why the message would not have crossed, had the observed policies been enforced. */
      readonly wouldHaveRefused?: readonly [Refused, ...Refused[]]
    }
  | { readonly kind: 'failed'; readonly reasons: readonly [VerdictReason, ...VerdictReason[]] }

/** By the channel, or before there was one. */
export type Refused = VerdictReason | UnreachableReason

export type VerdictReason =
  | { readonly kind: 'not-encrypted'; readonly because: ClearBecause }
  | { readonly kind: 'certificate-untrusted'; readonly code: string }
  /** `name` is undefined when the host is known by address only: no certificate proves that. */
  | { readonly kind: 'certificate-name-mismatch'; readonly name: DomainName | undefined }
  /** The host has usable TLSA records, and they do not mean this peer. */
  | { readonly kind: 'tlsa-mismatch'; readonly reason: DaneReason }

export function judge(requirement: ProofRequirement, channel: Channel): Verdict {
  const [first, ...more] = unmet(requirement, { channel, requirement })
  if (first !== undefined) return { kind: 'failed', reasons: [first, ...more] }
  const level = provenLevel(requirement, channel)
  const { observed } = requirement
  if (observed === undefined) return { kind: 'proven', level }
  const [would, ...wouldToo] = [...observed.unreachable, ...unmet(observed, { channel, requirement })]
  return { kind: 'proven', level, ...(would === undefined ? {} : { wouldHaveRefused: [would, ...wouldToo] }) }
}

interface Judged {
  readonly channel: Channel
  readonly requirement: ProofRequirement
}

function unmet({ floor, pkix, tlsa }: Demands, { channel, requirement }: Judged): readonly VerdictReason[] {
  if (channel.kind === 'clear') {
    return floor === 'opportunistic' ? [] : [{ kind: 'not-encrypted', because: channel.because }]
  }
  const mismatches = tlsa ? tlsaProblems(channel) : []
  // REQUIRETLS takes either proof of a certificate: whether it fails by itself takes both to be told.
  const both = pkix || (requirement.message === 'requiretls' && mismatches.length > 0)
  return [...mismatches, ...(both ? pkixProblems(channel.facts) : [])]
}

/** Why the usable TLSA records do not authenticate the peer; nothing when they do. */
export function tlsaProblems({ dane }: Channel & { readonly kind: 'tls' }): readonly VerdictReason[] {
  invariant(dane !== undefined, 'a peer whose host has usable TLSA records was compared with them')
  return dane.kind === 'authenticated' ? [] : dane.reasons.map((reason) => ({ kind: 'tlsa-mismatch', reason }))
}

/** Everything that keeps a certificate from proving its host, whoever asked. */
export function pkixProblems({ pkix, name }: PeerFacts): readonly CertificateReason[] {
  const reasons: CertificateReason[] = []
  if (pkix.kind === 'untrusted') reasons.push({ kind: 'certificate-untrusted', code: pkix.code })
  if (name.kind === 'not-asked') reasons.push({ kind: 'certificate-name-mismatch', name: undefined })
  if (name.kind === 'mismatched') reasons.push({ kind: 'certificate-name-mismatch', name: name.name })
  return reasons
}

export type CertificateReason = Extract<
  VerdictReason,
  { readonly kind: 'certificate-untrusted' | 'certificate-name-mismatch' }
>

function provenLevel(requirement: ProofRequirement, channel: Channel): ChannelLevel {
  if (channel.kind === 'clear') return 'clear'
  const { sts, dane, pkix } = requirement
  const proved = pkixProblems(channel.facts).length === 0
  const authenticated = dane !== undefined && channel.dane?.kind === 'authenticated'
  const byDane = !authenticated ? 'no' : dane.mxSecure ? 'dane' : 'dane-insecure-mx'
  const bySts = proved && sts?.matched !== undefined ? sts.mode : 'no'
  return LEVELS[byDane][bySts] ?? (pkix ? 'pkix' : 'encrypted')
}

/** Whose published policy keeps the message from crossing; nobody's when it is the operator's or the sender's wish. */
export function refusedBy(
  requirement: ProofRequirement | Unreachable,
  reasons: readonly Refused[],
): readonly Mechanism[] {
  const mechanisms = reasons.flatMap((reason) => mechanismsOf(requirement, reason))
  return [...new Set(mechanisms)].sort()
}

function mechanismsOf(requirement: ProofRequirement | Unreachable, reason: Refused): readonly Mechanism[] {
  switch (reason.kind) {
    case 'not-encrypted':
      return [...stsOf(requirement), ...daneOf(requirement)]
    case 'certificate-untrusted':
    case 'certificate-name-mismatch':
      return stsOf(requirement)
    case 'sts-mx-mismatch':
      return ['mta-sts']
    case 'tlsa-mismatch':
    case 'tlsa-lookup-failed':
      return ['dane']
    case 'dane-required':
    case 'tlsa-invalid':
    case 'requiretls-name-unproven':
      return []
    default:
      return assertNever(reason)
  }
}

function stsOf(requirement: ProofRequirement | Unreachable): readonly Mechanism[] {
  const mode = requirement.kind === 'prove' && hasForce(requirement) ? requirement.sts?.mode : undefined
  return mode === 'enforce' ? ['mta-sts'] : []
}

function daneOf(requirement: ProofRequirement | Unreachable): readonly Mechanism[] {
  return requirement.kind === 'prove' && hasForce(requirement) && requirement.dane !== undefined ? ['dane'] : []
}

/** An observed policy would have refused; one that the sender wants ignored would not. */
function hasForce({ message }: ProofRequirement): boolean {
  return message !== 'tls-optional'
}
