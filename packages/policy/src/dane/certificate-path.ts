/**
 * Which certificates form the path from a leaf to a trust anchor (RFC 5280 §6.1; the building is left to us there).
 *
 * A walk without a search: each step takes the first candidate that may have issued the last one, one valid now
 * before others. It is the walk of OpenSSL for DANE, and so the one that servers are tried with; going back for a
 * second choice would cost a hostile peer nothing and us exponentially many signatures. Order and unrelated
 * certificates do not matter. Knows nothing of TLSA and checks no signature. Pure.
 */
import { mayHaveIssued, type PathCertificate, sameOctets, timeliness } from './path-certificate.ts'

export interface PathQuestion {
  readonly leaf: PathCertificate
  /** In order of preference; the leaf and repetitions may be among them. */
  readonly candidates: readonly PathCertificate[]
  readonly isAnchor: (certificate: PathCertificate) => boolean
  readonly now: number
}

export interface BuiltPath {
  /** Leaf first. */
  readonly certificates: readonly [PathCertificate, ...PathCertificate[]]
  /** The last one is an anchor. A leaf is none, for a trust anchor is not part of what it vouches for. */
  readonly anchored: boolean
}

/** Paths on the web have at most four. */
export const MAX_PATH = 16

export function buildPath({ leaf, candidates, isAnchor, now }: PathQuestion): BuiltPath {
  const certificates: [PathCertificate, ...PathCertificate[]] = [leaf]
  let top = leaf
  while (certificates.length < MAX_PATH && !endsPath(top)) {
    const issuer = likeliestIssuer(top, notIn(certificates, candidates), now)
    if (issuer === undefined) break
    certificates.push(issuer)
    if (isAnchor(issuer)) return { certificates, anchored: true }
    top = issuer
  }
  return { certificates, anchored: false }
}

/** A self-signed certificate leads nowhere else; a self-issued one whose key identifier names another key may. */
function endsPath(certificate: PathCertificate): boolean {
  return certificate.selfIssued && mayHaveIssued(certificate, certificate)
}

function notIn(
  certificates: readonly PathCertificate[],
  candidates: readonly PathCertificate[],
): readonly PathCertificate[] {
  return candidates.filter(({ outline }) => !certificates.some((used) => sameOctets(used.outline.der, outline.der)))
}

function likeliestIssuer(
  subject: PathCertificate,
  candidates: readonly PathCertificate[],
  now: number,
): PathCertificate | undefined {
  const issuers = candidates.filter((candidate) => mayHaveIssued(candidate, subject))
  const validNow = issuers.find(({ validity }) => validity !== undefined && timeliness(validity, now) === 'valid')
  // The one that expired last is the nearest miss, and the best reason to report.
  return validNow ?? issuers.toSorted((one, other) => notAfter(other) - notAfter(one))[0]
}

function notAfter({ validity }: PathCertificate): number {
  return validity?.notAfter ?? Number.NEGATIVE_INFINITY
}
