/** Facts of one host for the tests of the decision: names, policies, TLSA answers, channels. */
import assert from 'node:assert/strict'
import type { DaneAuthentication, DaneFacts, DaneFailure, TlsaFacts, TlsaRecord } from './dane/facts.ts'
import type { HostOrigin } from './dane/reference-names.ts'
import type { TlsaRecordData } from './dns/resolver.ts'
import { type DomainName, type OwnerName, parseDomainName, parseOwnerName } from './domain-name.ts'
import { type MxPattern, parseMxPattern } from './mta-sts/mx-match.ts'
import type { NameFact, PeerFacts, PkixFact } from './peer-facts.ts'
import type { EffectiveMode, PolicyInForce } from './requirement.ts'
import type { Channel, ClearBecause } from './verdict.ts'

export const mxHostname = domain('mx.example.test')
export const baseDomain = domain('host.provider.test')
export const nextHop = domain('example.test')

export function domain(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok)
  return parsed.value
}

export function owner(text: string): OwnerName {
  const parsed = parseOwnerName(text)
  assert(parsed.ok)
  return parsed.value
}

export function pattern(text: string): MxPattern {
  const parsed = parseMxPattern(text)
  assert(parsed !== undefined)
  return parsed
}

export const policy = (mode: EffectiveMode, ...mx: readonly string[]): PolicyInForce => ({
  mode,
  id: '20261001',
  policy: { mx: mx.map(pattern) },
})
export const named = (mode: EffectiveMode): PolicyInForce => policy(mode, 'other.test', '*.example.test')
export const unnamed = (mode: EffectiveMode): PolicyInForce => policy(mode, 'other.test', '*.mx.example.test')

const digest = (octet: number): Uint8Array => new Uint8Array(32).fill(octet)
export const RECORD: TlsaRecord = {
  usage: 'dane-ee',
  selector: 'spki',
  matchingType: 'sha-256',
  associationData: digest(1),
}
export const PUBLISHED: TlsaRecordData = { usage: 3, selector: 1, matchingType: 1, associationData: digest(1) }
export const UNUSABLE: TlsaRecordData = { usage: 1, selector: 1, matchingType: 1, associationData: digest(2) }

const RRSET: TlsaFacts = {
  kind: 'tlsa',
  baseDomain,
  owner: owner('_25._tcp.host.provider.test'),
  referenceNames: [baseDomain, nextHop],
  mxSecure: true,
  published: [PUBLISHED],
  usable: [RECORD],
  ttlSeconds: 300,
}
const LOOKUP: DaneFailure = { kind: 'failure', lookup: 'tlsa', name: RRSET.owner, reason: { kind: 'timeout' } }

export const DANE = {
  absent: { kind: 'none', because: 'no-tlsa', ttlSeconds: 300 },
  usable: RRSET,
  'usable-insecure-mx': { ...RRSET, mxSecure: false },
  unusable: { ...RRSET, published: [UNUSABLE], usable: [] },
  'unusable-insecure-mx': { ...RRSET, published: [UNUSABLE], usable: [], mxSecure: false },
  failure: LOOKUP,
} as const satisfies Record<string, DaneFacts>

export const bySecureMx: HostOrigin = { kind: 'mx', nextHop, expandedNextHop: nextHop, secure: true }
export const byInsecureMx: HostOrigin = { ...bySecureMx, secure: false }
export const withoutMx: HostOrigin = { kind: 'implicit-mx', nextHop, secure: false }
export const byRoute: HostOrigin = { kind: 'route' }

export const trusted: PkixFact = { kind: 'trusted' }
export const expired: PkixFact = { kind: 'untrusted', code: 'CERT_HAS_EXPIRED' }
export const selfSigned: PkixFact = { kind: 'untrusted', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }
export const matched: NameFact = { kind: 'matched', name: mxHostname }
export const mismatched: NameFact = { kind: 'mismatched', name: mxHostname }

export const authenticated: DaneAuthentication = { kind: 'authenticated', record: RECORD }
export const noMatch: DaneAuthentication = { kind: 'failed', reasons: [{ kind: 'no-tlsa-match' }] }

const FACTS: Omit<PeerFacts, 'pkix' | 'name'> = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  keyExchange: undefined,
  chain: [
    {
      der: new Uint8Array(),
      ...{ fingerprintSha256: '', subject: '', issuer: '', subjectAltName: '' },
      ...{ validFrom: 0, validTo: 0 },
    },
  ],
  chainCut: false,
}

export function tls(
  pkix: PkixFact = trusted,
  name: NameFact = matched,
  dane?: DaneAuthentication,
): Channel & { kind: 'tls' } {
  return { kind: 'tls', facts: { ...FACTS, pkix, name }, ...(dane === undefined ? {} : { dane }) }
}
export const clear = (because: ClearBecause): Channel & { kind: 'clear' } => ({ kind: 'clear', because })
export const notOffered = clear('starttls-not-offered')
export const refusedTls: Channel & { kind: 'clear' } = { ...clear('starttls-refused'), reply: 454 }
export const brokenTls: Channel & { kind: 'clear' } = {
  ...clear('handshake-failed'),
  failure: { kind: 'alert', alert: 'protocol-version' },
}
