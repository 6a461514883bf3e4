/** What one address of a host showed and what was judged of it, as a section of an explanation. Pure. */
import type { PeerCertificate, PeerFacts } from '../peer-facts.ts'
import { assertNever } from '../result.ts'
import type { SessionResult } from '../session-result.ts'
import type { Channel, ClearBecause, Refused, Verdict, VerdictReason } from '../verdict.ts'
import { daneReasonWords } from './dane-words.ts'
import type { CertificateSection, ReportSection, SessionSection, TlsSection } from './explanation.ts'
import type { Obstacle, SessionFacts } from './facts.ts'
import { bounded, FOREIGN_ITEMS_MAX, isoTime } from './plain.ts'
import { tlsFailureWords, trustWords } from './tls-words.ts'
import { unreachableReason } from './unreachable-reason.ts'

export function sessionSection(session: SessionFacts): SessionSection {
  switch (session.kind) {
    case 'not-tried':
      return { verdict: 'not-tried', problems: [session.because] }
    case 'no-channel':
      return { verdict: 'no-channel', problems: [obstacleWords(session.obstacle)] }
    case 'judged':
      return judgedSection(session)
    default:
      return assertNever(session)
  }
}

function judgedSection({
  channel,
  verdict,
  results,
  trouble,
}: SessionFacts & { readonly kind: 'judged' }): SessionSection {
  const { facts } = channel.kind === 'tls' ? channel : {}
  const told = trouble === undefined ? [] : [obstacleWords(trouble)]
  return {
    verdict: verdict.kind,
    ...(verdict.kind === 'proven' ? provenSection(verdict, channel) : {}),
    problems: [...verdictProblems(verdict, channel), ...told],
    ...(facts === undefined ? {} : { tls: tlsSection(facts) }),
    reports: results.map(reportSection),
  }
}

function provenSection(
  { level, wouldHaveRefused }: Verdict & { readonly kind: 'proven' },
  channel: Channel,
): Pick<SessionSection, 'level' | 'wouldHaveRefused'> {
  if (wouldHaveRefused === undefined) return { level }
  return { level, wouldHaveRefused: wouldHaveRefused.map((reason) => refusedWords(reason, channel)) }
}

export function obstacleWords({ detail, status }: Obstacle): string {
  return bounded(`${detail} (${status})`)
}

function verdictProblems(verdict: Verdict, channel: Channel): readonly string[] {
  if (verdict.kind === 'failed') return verdict.reasons.map((reason) => reasonWords(reason, channel))
  return channel.kind === 'clear' ? [clearWords(channel)] : []
}

function refusedWords(reason: Refused, channel: Channel): string {
  switch (reason.kind) {
    case 'not-encrypted':
    case 'certificate-untrusted':
    case 'certificate-name-mismatch':
    case 'tlsa-mismatch':
      return reasonWords(reason, channel)
    default:
      return unreachableReason(reason).text
  }
}

function reasonWords(reason: VerdictReason, channel: Channel): string {
  switch (reason.kind) {
    case 'not-encrypted':
      return channel.kind === 'clear' ? clearWords(channel) : reason.because
    case 'certificate-untrusted':
      return `the certificate is not trusted: ${trustWords(reason.code)}`
    case 'certificate-name-mismatch':
      return reason.name === undefined
        ? 'no certificate proves an address'
        : `the certificate is not for ${reason.name}`
    case 'tlsa-mismatch':
      return daneReasonWords(reason.reason)
    default:
      return assertNever(reason)
  }
}

const CLEAR: Readonly<Record<ClearBecause, string>> = {
  'starttls-not-offered': 'STARTTLS is not offered',
  'starttls-refused': 'STARTTLS is offered and then refused',
  'handshake-failed': 'the TLS handshake fails',
}

function clearWords({ because, failure }: Channel & { readonly kind: 'clear' }): string {
  return failure === undefined ? CLEAR[because] : `${CLEAR[because]}: ${tlsFailureWords(failure)}`
}

export function tlsSection(facts: PeerFacts): TlsSection {
  const { protocol, cipher, keyExchange, chain, chainCut, pkix, name } = facts
  return {
    ...{ protocol, cipher, chainCut },
    ...(keyExchange === undefined ? {} : { keyExchange }),
    nameMatches: name.kind === 'not-asked' ? 'not-asked' : name.kind === 'matched',
    trust: pkix.kind === 'trusted' ? 'trusted' : pkix.code,
    chain: chain.map(certificateSection),
  }
}

export function certificateSection(certificate: PeerCertificate): CertificateSection {
  const { subject, issuer, subjectAltName, validFrom, validTo, fingerprintSha256 } = certificate
  return {
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    names: alternativeNames(subjectAltName),
    validFrom: isoTime(validFrom),
    validTo: isoTime(validTo),
    fingerprintSha256,
  }
}

/** OpenSSL writes one attribute a line. */
function oneLine(name: string): string {
  return bounded(name.split('\n').join(', '))
}

/** For people: a name that holds a comma is torn, and decides nothing. */
export function alternativeNames(text: string): readonly string[] {
  if (text === '') return []
  const names = text.split(', ').map((name) => name.replace(/^DNS:/, ''))
  return names.slice(0, FOREIGN_ITEMS_MAX).map(bounded)
}

function reportSection({ policyType, outcome }: SessionResult): ReportSection {
  if (outcome.kind === 'success') return { policyType, results: ['success'] }
  const results = outcome.details.map(({ resultType, failureReasonCode: code }) =>
    code === undefined ? resultType : `${resultType} (${code})`,
  )
  return { policyType, results }
}
