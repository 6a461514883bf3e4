/**
 * What is wrong with the TLS of the hosts, as they showed it when they were connected to (RFC 8461 §4.2, RFC 3207).
 *
 * How bad it is follows from what the domain itself demands: an enforced policy keeps the mail back, one in testing
 * only reports it, and without any policy nobody looks. Pure.
 */
import type { PeerCertificate, PeerFacts } from '../peer-facts.ts'
import type { ProofRequirement } from '../requirement.ts'
import { assertNever } from '../result.ts'
import { type CertificateReason, type Channel, pkixProblems } from '../verdict.ts'
import { type Advice, type Severity, SOON_MS } from './advice.ts'
import type { ExplainFacts, HostFacts } from './facts.ts'
import { bounded, clockTime, spanWords } from './plain.ts'
import { alternativeNames } from './session-section.ts'
import { tlsFailureWords, trustWords } from './tls-words.ts'

const CERTIFICATE_RFC = ['RFC 8461 §4.2']

interface Shown {
  readonly subject: string
  readonly severity: Severity
  readonly at: number
}

interface AddressAdvice extends Advice {
  readonly addresses: readonly string[]
}

export function certificateAdvice({ hosts, route, at }: ExplainFacts): readonly Advice[] {
  if (route.kind === 'literal') return []
  return merged(hosts.flatMap((host) => hostAdvice(host, at)))
}

function hostAdvice({ place, name: subject }: HostFacts, at: number): readonly AddressAdvice[] {
  if (place.kind !== 'candidate' || place.requirement.kind === 'unreachable') return []
  const { requirement } = place
  const severity = severityBy(requirement)
  return place.sessions.flatMap((session) => {
    if (session.kind !== 'judged' || isProvenOtherwise(requirement, session.channel)) return []
    const kept = session.channel.kind === 'clear' && requirement.floor === 'encrypted'
    const shown: Shown = { subject, severity: kept ? 'broken' : severity, at }
    // Of a host with one address, the address says nothing.
    const addresses = place.sessions.length > 1 ? [session.address] : []
    return channelAdvice(session.channel, shown).map((advice) => ({ ...advice, addresses }))
  })
}

/** RFC 7672 §3.1: whom DANE authenticates needs neither a trusted authority nor, with DANE-EE, a name or dates. */
function isProvenOtherwise({ pkix, sts }: ProofRequirement, channel: Channel): boolean {
  return !pkix && sts === undefined && channel.kind === 'tls' && channel.dane?.kind === 'authenticated'
}

function severityBy({ pkix, sts }: ProofRequirement): Severity {
  if (pkix) return 'broken'
  return sts === undefined ? 'hint' : 'warning'
}

function channelAdvice(channel: Channel, shown: Shown): readonly Advice[] {
  if (channel.kind === 'clear') return [clearAdvice(channel, shown)]
  const problems = pkixProblems(channel.facts)
  if (problems.length > 0) return problems.map((problem) => problemAdvice(problem, channel.facts, shown))
  return endingAdvice(channel.facts, shown)
}

function clearAdvice({ because, failure }: Channel & { readonly kind: 'clear' }, { subject, severity }: Shown): Advice {
  const what = { severity, subject, rfc: ['RFC 3207 §4', 'RFC 8461 §4.2'] }
  switch (because) {
    case 'starttls-not-offered':
      return {
        ...{ ...what, code: 'mx-without-starttls' },
        text: 'The host does not offer STARTTLS, or somebody on the way removes it.',
        remedy: 'Switch STARTTLS on; when it is on, see what stands between the host and the Internet.',
      }
    case 'starttls-refused':
      return {
        ...{ ...what, code: 'mx-refuses-starttls' },
        text: 'The host offers STARTTLS and refuses it when asked.',
        remedy: 'See its log: most often the key or the certificate cannot be read.',
      }
    case 'handshake-failed':
      return {
        ...{ ...what, code: 'mx-handshake-fails' },
        text: `The TLS handshake fails${failure === undefined ? '' : `: ${tlsFailureWords(failure)}`}.`,
        remedy: 'Offer TLS 1.2 or 1.3 with a certificate that fits its key.',
      }
    default:
      return assertNever(because)
  }
}

function problemAdvice(problem: CertificateReason, facts: PeerFacts, { subject, severity }: Shown): Advice {
  const what = { severity, subject, rfc: CERTIFICATE_RFC }
  if (problem.kind === 'certificate-name-mismatch') {
    const [leaf] = facts.chain
    const names = alternativeNames(leaf.subjectAltName)
    const its = names.length === 0 ? 'it has no DNS names at all' : `it is for ${names.join(', ')}`
    return {
      ...{ ...what, code: 'mx-certificate-wrong-name' },
      text: bounded(`The certificate is not for ${subject}: ${its}.`),
      remedy: `Show a certificate that has ${subject}, as the MX record says it, among its DNS names.`,
    }
  }
  const { code, remedy } = trustRemedy(problem.code, facts)
  return { ...what, code, text: `The certificate is not trusted: ${trustWords(problem.code)}.`, remedy }
}

const NO_ISSUER: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])

function trustRemedy(code: string, { chain }: PeerFacts): Pick<Advice, 'code' | 'remedy'> {
  if (code === 'CERT_HAS_EXPIRED') {
    return { code: 'mx-certificate-expired', remedy: 'Renew it, and see why it was not renewed in time.' }
  }
  if (code === 'CERT_NOT_YET_VALID') {
    return { code: 'mx-certificate-not-yet-valid', remedy: 'Set the clock of the host, or wait for its date.' }
  }
  if (NO_ISSUER.has(code) && isAlone(chain)) {
    const remedy =
      'Send the intermediate certificates along with it (it is sent alone now), of an authority that everybody trusts.'
    return { code: 'mx-certificate-incomplete', remedy }
  }
  return {
    code: 'mx-certificate-untrusted',
    remedy: 'Use a certificate of a public authority, with its intermediate certificates.',
  }
}

/** One certificate, issued by somebody else. */
function isAlone(chain: readonly [PeerCertificate, ...PeerCertificate[]]): boolean {
  return chain.length === 1 && chain[0].subject !== chain[0].issuer
}

function endingAdvice({ chain }: PeerFacts, { subject, at }: Shown): readonly Advice[] {
  const first = chain.reduce((one, other) => (other.validTo < one.validTo ? other : one))
  if (first.validTo - at >= SOON_MS) return []
  const which = first === chain[0] ? 'The certificate' : 'A certificate of its chain'
  return [
    {
      ...{ code: 'mx-certificate-ends-soon', severity: 'warning', subject, rfc: CERTIFICATE_RFC },
      text: `${which} ends in ${spanWords(first.validTo - at)} (${clockTime(first.validTo)}).`,
      remedy: 'Renew it.',
    },
  ]
}

/** The same about several addresses of a host is said once, with the addresses. */
function merged(advice: readonly AddressAdvice[]): readonly Advice[] {
  const same = Map.groupBy(advice, ({ code, subject, text }) => `${code} ${subject} ${text}`)
  return [...same.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { addresses, ...one } = first
    const where = group.flatMap((each) => each.addresses).join(', ')
    return [{ ...one, text: where === '' ? one.text : `${one.text} (${where})` }]
  })
}
