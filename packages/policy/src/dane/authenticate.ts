/**
 * Whether a peer is the one that the usable TLSA records mean (RFC 7671 §5, RFC 7672 §3): the DANE verdict.
 *
 * DANE-EE(3) compares the leaf and nothing else. DANE-TA(2) wants a path from the leaf to an anchor that a record
 * means, and a name that the leaf carries. The local root store has no part in it (RFC 7671 §5.2.2). Pure.
 *
 * Decision: a DANE-TA record never matches the leaf itself. It asserts an issuer (RFC 7671 §5.2), and a trust anchor is
 * not part of the path that it validates (RFC 5280 §6.1); OpenSSL and so Postfix decide alike. Only a bare key
 * (`2 1 0`) may have signed the leaf, be it the leaf's own (RFC 7671 §5.2.3).
 */
import type { DomainName } from '../domain-name.ts'
import { invariant } from '../result.ts'
import { type Certificate, readCertificate } from './certificate.ts'
import { publicKey } from './certificate-key.ts'
import { type BuiltPath, buildPath } from './certificate-path.ts'
import type { DaneAuthentication, DaneReason, TlsaRecord } from './facts.ts'
import { tlsaMatcher } from './match-chain.ts'
import { type PathCertificate, readPathCertificate } from './path-certificate.ts'
import { pathReasons } from './path-validation.ts'
import { carriedName } from './presented-names.ts'
import { signatureProblem } from './signature.ts'

export interface PeerToAuthenticate {
  /** After usability and digest agility. Without any there is nothing to ask (RFC 7672 §2.2). */
  readonly usable: readonly TlsaRecord[]
  readonly referenceNames: readonly DomainName[]
  /** As sent, leaf first; the rest in any order. */
  readonly chain: readonly { readonly der: Uint8Array }[]
  /** UTC milliseconds. */
  readonly now: number
}

/** Certificates that a TLS peer's chain is cut to (`peer-facts.ts`) bound this too. */
const MAX_CHAIN = 16

export function authenticateByTlsa(peer: PeerToAuthenticate): DaneAuthentication {
  const [leaf, ...others] = peer.chain.slice(0, MAX_CHAIN).map(({ der }) => readCertificate(der))
  if (!leaf?.ok) return NO_MATCH
  const ofUsage = (usage: TlsaRecord['usage']) => peer.usable.filter((record) => record.usage === usage)
  const record = tlsaMatcher(leaf.value)(ofUsage('dane-ee'))
  // A key that cannot be read has not signed the handshake; nothing else of the leaf matters (RFC 7672 §3.1.1).
  if (record !== undefined && publicKey(leaf.value.spki) !== undefined) return { kind: 'authenticated', record }
  const records = ofUsage('dane-ta')
  if (records.length === 0) return NO_MATCH
  const sent = others.flatMap((certificate) => (certificate.ok ? [certificate.value] : []))
  return authenticateByAnchor(leaf.value, { ...peer, records, sent })
}

interface AnchorQuestion extends Pick<PeerToAuthenticate, 'referenceNames' | 'now'> {
  /** DANE-TA only. */
  readonly records: readonly TlsaRecord[]
  /** Without the leaf. */
  readonly sent: readonly Certificate[]
}

function authenticateByAnchor(leafOutline: Certificate, question: AnchorQuestion): DaneAuthentication {
  const { records, sent, now } = question
  const leaf = readPathCertificate(leafOutline)
  if (leaf === undefined) return NO_MATCH
  // RFC 7671 §5.2.2: an anchor that DNS has in full need not be sent.
  const candidates = [...anchorsInDns(records), ...sent].flatMap((one) => readPathCertificate(one) ?? [])
  const matchOf = ({ outline }: PathCertificate) => tlsaMatcher(outline)(records)
  const path = buildPath({ leaf, candidates, isAnchor: (one) => matchOf(one) !== undefined, now })
  const top = path.certificates.at(-1) ?? leaf
  const anchor = path.anchored ? { record: matchOf(top) } : bareKeyAnchor(top, records)
  return anchor.record === undefined ? NO_MATCH : judgePath(path, { ...question, ...anchor, record: anchor.record })
}

function anchorsInDns(records: readonly TlsaRecord[]): readonly Certificate[] {
  return records.flatMap(({ selector, matchingType, associationData }) => {
    const certificate = selector === 'cert' && matchingType === 'full' ? readCertificate(associationData) : undefined
    return certificate?.ok ? [certificate.value] : []
  })
}

interface Anchor {
  readonly record: TlsaRecord | undefined
  readonly bareKey?: Uint8Array
}

/** RFC 7671 §5.2.3: when no certificate matches, a key that DNS has in full may have signed the top-most one. */
function bareKeyAnchor({ outline }: PathCertificate, records: readonly TlsaRecord[]): Anchor {
  const record = records.find(
    ({ selector, matchingType, associationData }) =>
      selector === 'spki' && matchingType === 'full' && signatureProblem(outline, associationData) === undefined,
  )
  return record === undefined ? { record } : { record, bareKey: record.associationData }
}

interface Judgement extends AnchorQuestion {
  readonly record: TlsaRecord
  readonly bareKey?: Uint8Array
}

function judgePath({ certificates }: BuiltPath, judgement: Judgement): DaneAuthentication {
  const { record, bareKey, referenceNames, now } = judgement
  const reasons: DaneReason[] = [...pathReasons({ certificates, bareKey, now })]
  const name = carriedName(referenceNames, certificates[0].extensions.subjectAltName ?? [])
  if (name === undefined) reasons.push({ kind: 'name-mismatch', names: referenceNames })
  const [first, ...more] = reasons
  if (first !== undefined) return { kind: 'failed', reasons: [first, ...more] }
  invariant(name !== undefined, 'a name is there when its lack is no reason')
  return { kind: 'authenticated', record, name }
}

const NO_MATCH: DaneAuthentication = { kind: 'failed', reasons: [{ kind: 'no-tlsa-match' }] }
