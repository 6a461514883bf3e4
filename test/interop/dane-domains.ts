/**
 * The domains of a DANE world with real signed zones: each has one mail exchanger with a face of its own, and says by
 * what is published and what is shown how its mail must end (Table A of the conformance items).
 *
 * Data only; `dane-postfix-lab.ts` brings it to life.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { type Authority, createAuthority, type IssuedCertificate, selfSigned } from '../lab/ca.ts'
import type { LabZone } from './signed-zones.ts'

export interface DaneDomain {
  /** Of the domain below `test`, and of its face. */
  readonly name: string
  readonly certificate: 'trusted' | 'self-signed' | 'own-authority' | 'own-authority-other-name'
  readonly tlsa: TlsaChoice
  readonly hidesStartTls?: boolean
  readonly policy?: { readonly mode: 'enforce' | 'testing'; readonly mx: 'its-host' | 'another' }
  /** The operator's `require = "dane"`. */
  readonly required?: true
  /** How the zones differ from one signed zone with MX, address and TLSA records. */
  readonly zones?: 'unsigned-mx' | 'alias' | 'bogus' | 'bogus-mx-host' | 'forged-tlsa' | 'tlsa-servfail'
  readonly ends: Ending
}

/** `other`: `3 1 1` of a certificate that nobody shows; `pkix`: `1 1 1`, which no mail exchanger may be held to. */
export type TlsaChoice = 'leaf' | 'anchor' | 'other' | 'pkix' | 'none'

export type Ending =
  /** `level`, `demanded`: `tls_verdict` and `tls_requirement` of the delivery record. */
  | { readonly kind: 'delivered'; readonly level: string; readonly demanded: string; readonly told: string }
  /** A connection, and nothing of the message on it. */
  | { readonly kind: 'refused'; readonly status: string; readonly because: RegExp }
  /** Not even a connection. */
  | { readonly kind: 'not-contacted'; readonly status: string; readonly because: RegExp }

const ENFORCE = { mode: 'enforce', mx: 'its-host' } as const
const TESTING = { mode: 'testing', mx: 'its-host' } as const

function delivered(level: string, demanded: string, told: string): Ending {
  return { kind: 'delivered', level, demanded, told }
}

export const DANE_DOMAINS: readonly DaneDomain[] = [
  {
    ...{ name: 'dane-ee', certificate: 'self-signed', tlsa: 'leaf' },
    ends: delivered('dane', 'dane', 'tlsa: success'),
  },
  {
    ...{ name: 'dane-ta', certificate: 'own-authority', tlsa: 'anchor' },
    ends: delivered('dane', 'dane', 'tlsa: success'),
  },
  {
    ...{ name: 'dane-ta-other-name', certificate: 'own-authority-other-name', tlsa: 'anchor' },
    ends: { kind: 'refused', status: '4.7.5', because: /tlsa-mismatch.*name-mismatch/ },
  },
  {
    ...{ name: 'wrong-tlsa', certificate: 'trusted', tlsa: 'other' },
    ends: { kind: 'refused', status: '4.7.5', because: /tlsa-mismatch/ },
  },
  {
    ...{ name: 'stripped', certificate: 'self-signed', tlsa: 'leaf', hidesStartTls: true },
    ends: { kind: 'refused', status: '4.7.10', because: /starttls-not-offered/ },
  },
  {
    ...{ name: 'unusable', certificate: 'self-signed', tlsa: 'pkix' },
    ends: delivered('encrypted', 'encrypted', 'tlsa: tlsa-invalid'),
  },
  {
    ...{ name: 'unusable-stripped', certificate: 'self-signed', tlsa: 'pkix', hidesStartTls: true },
    ends: { kind: 'refused', status: '4.7.10', because: /starttls-not-offered/ },
  },
  {
    ...{ name: 'bogus', certificate: 'self-signed', tlsa: 'leaf', zones: 'bogus' },
    ends: { kind: 'not-contacted', status: '4.4.3', because: /dns-failure: mx of bogus\.test/ },
  },
  {
    ...{ name: 'bogus-host', certificate: 'self-signed', tlsa: 'leaf', zones: 'bogus-mx-host' },
    ends: { kind: 'not-contacted', status: '4.4.3', because: /dns-failure: address of mx\.bogus-host-host\.test/ },
  },
  {
    ...{ name: 'forged', certificate: 'self-signed', tlsa: 'leaf', zones: 'forged-tlsa' },
    ends: { kind: 'not-contacted', status: '4.7.5', because: /tlsa/ },
  },
  {
    ...{ name: 'servfail', certificate: 'self-signed', tlsa: 'none', zones: 'tlsa-servfail' },
    ends: { kind: 'not-contacted', status: '4.7.5', because: /tlsa/ },
  },
  {
    ...{ name: 'alias', certificate: 'own-authority', tlsa: 'anchor', zones: 'alias' },
    ends: delivered('dane', 'dane', 'tlsa: success'),
  },
  {
    ...{ name: 'insecure-mx', certificate: 'self-signed', tlsa: 'leaf', zones: 'unsigned-mx' },
    ends: delivered('dane-insecure-mx', 'dane', 'tlsa: success'),
  },
  {
    ...{ name: 'insecure-mx-wrong', certificate: 'trusted', tlsa: 'other', zones: 'unsigned-mx' },
    ends: { kind: 'refused', status: '4.7.5', because: /tlsa-mismatch/ },
  },
  {
    ...{ name: 'both', certificate: 'trusted', tlsa: 'leaf', policy: ENFORCE },
    ends: delivered('dane+sts', 'dane+pkix', 'tlsa: success; sts: success'),
  },
  {
    ...{ name: 'sts-fails', certificate: 'self-signed', tlsa: 'leaf', policy: ENFORCE },
    ends: { kind: 'refused', status: '4.7.5', because: /certificate-untrusted/ },
  },
  {
    ...{ name: 'sts-fails-testing', certificate: 'self-signed', tlsa: 'leaf', policy: TESTING },
    ends: delivered('dane', 'dane', 'tlsa: success; sts: certificate-expired'),
  },
  {
    ...{ name: 'sts-other-host', certificate: 'trusted', tlsa: 'leaf', policy: { mode: 'enforce', mx: 'another' } },
    ends: { kind: 'not-contacted', status: '4.7.5', because: /mx-mismatch/ },
  },
  {
    ...{ name: 'tlsa-fails', certificate: 'trusted', tlsa: 'other', policy: ENFORCE },
    ends: { kind: 'refused', status: '4.7.5', because: /tlsa-mismatch/ },
  },
  {
    ...{ name: 'tlsa-fails-testing', certificate: 'trusted', tlsa: 'other', policy: TESTING },
    ends: { kind: 'refused', status: '4.7.5', because: /tlsa-mismatch/ },
  },
  {
    ...{ name: 'denied', certificate: 'self-signed', tlsa: 'none' },
    ends: delivered('encrypted', 'opportunistic', 'no-policy-found: success'),
  },
  {
    ...{ name: 'denied-stripped', certificate: 'self-signed', tlsa: 'none', hidesStartTls: true },
    ends: delivered('clear', 'opportunistic', 'no-policy-found: starttls-not-supported'),
  },
  {
    ...{ name: 'sts-only', certificate: 'trusted', tlsa: 'none', policy: ENFORCE },
    ends: delivered('sts', 'pkix', 'sts: success'),
  },
  {
    ...{ name: 'sts-only-fails', certificate: 'self-signed', tlsa: 'none', policy: ENFORCE },
    ends: { kind: 'refused', status: '4.7.5', because: /certificate-untrusted/ },
  },
  {
    ...{ name: 'sts-only-stripped', certificate: 'trusted', tlsa: 'none', policy: ENFORCE, hidesStartTls: true },
    ends: { kind: 'refused', status: '4.7.10', because: /starttls-not-offered/ },
  },
  {
    ...{ name: 'sts-only-testing', certificate: 'self-signed', tlsa: 'none', policy: TESTING },
    ends: delivered('encrypted', 'opportunistic', 'sts: certificate-expired'),
  },
  {
    ...{ name: 'required', certificate: 'self-signed', tlsa: 'leaf', required: true },
    ends: delivered('dane', 'dane', 'tlsa: success'),
  },
  {
    ...{ name: 'required-denied', certificate: 'trusted', tlsa: 'none', required: true },
    ends: { kind: 'not-contacted', status: '4.7.5', because: /dane-required \(no-tlsa\)/ },
  },
  {
    ...{ name: 'required-unusable', certificate: 'trusted', tlsa: 'pkix', required: true },
    ends: { kind: 'not-contacted', status: '4.7.5', because: /tlsa-invalid/ },
  },
  {
    ...{ name: 'required-insecure-mx', certificate: 'trusted', tlsa: 'leaf', zones: 'unsigned-mx', required: true },
    ends: { kind: 'not-contacted', status: '4.7.5', because: /dane-required \(insecure-mx\)/ },
  },
]

export interface DaneHost {
  readonly domain: DaneDomain
  readonly address: string
  /** As the server shows it: for an authority of its own with the authority's certificate. */
  readonly certificate: IssuedCertificate
  /** Usage, selector, matching type and hex; absent: none is published. */
  readonly tlsa?: string
}

export function domainOf({ name }: DaneDomain): string {
  return `${name}.test`
}

/** The name in the MX record. */
export function hostOf(domain: DaneDomain): string {
  return OTHER_ZONE.has(domain.zones) ? `mx.${domain.name}-host.test` : `mx.${domain.name}.test`
}

/** Where its TLSA records are: RFC 7672 §2.2.2 takes the end of an alias first. */
export function baseDomainOf(domain: DaneDomain): string {
  return domain.zones === 'alias' ? `real.${domain.name}-host.test` : hostOf(domain)
}

const OTHER_ZONE: ReadonlySet<DaneDomain['zones']> = new Set(['unsigned-mx', 'bogus-mx-host'])

export async function daneHost(
  domain: DaneDomain,
  { address, trusted }: { readonly address: string; readonly trusted: Authority },
): Promise<DaneHost> {
  const { certificate, anchor } = await certificateOf(domain, trusted)
  const tlsa = await tlsaOf(domain, { certificate, anchor })
  return { domain, address, certificate, ...(tlsa === undefined ? {} : { tlsa }) }
}

interface Shown {
  readonly certificate: IssuedCertificate
  readonly anchor?: string | undefined
}

async function certificateOf(domain: DaneDomain, trusted: Authority): Promise<Shown> {
  const names = [baseDomainOf(domain)]
  switch (domain.certificate) {
    case 'trusted':
      return { certificate: await trusted.issue({ names }) }
    case 'self-signed':
      // RFC 7672 §3.2.1: neither name nor dates matter.
      return { certificate: await selfSigned({ names: ['elsewhere.test'], validFromDays: -30, validToDays: -1 }) }
    case 'own-authority':
    case 'own-authority-other-name': {
      const authority = await createAuthority()
      const leaf = await authority.issue({ names: domain.certificate === 'own-authority' ? names : ['elsewhere.test'] })
      return {
        certificate: { ...leaf, chain: leaf.certificate + authority.certificate },
        anchor: authority.certificate,
      }
    }
  }
}

async function tlsaOf({ tlsa }: DaneDomain, { certificate, anchor }: Shown): Promise<string | undefined> {
  switch (tlsa) {
    case 'leaf':
      return `3 1 1 ${keyDigest(certificate.certificate)}`
    case 'anchor':
      return `2 0 1 ${sha256(new X509Certificate(anchor ?? '').raw)}`
    case 'other':
      return `3 1 1 ${keyDigest((await selfSigned()).certificate)}`
    case 'pkix':
      return `1 1 1 ${keyDigest(certificate.certificate)}`
    case 'none':
      return undefined
  }
}

export function keyDigest(pem: string): string {
  return sha256(new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' }))
}

function sha256(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex')
}

/** The zones of one domain; `port` is where its mail exchanger listens. */
export function zonesOf(
  host: DaneHost,
  { port, policyAddress }: { readonly port: number; readonly policyAddress: string },
): readonly LabZone[] {
  const { domain, address, tlsa } = host
  const owner = `_${port}._tcp`
  const tlsaAt = (label: string) => (tlsa === undefined ? [] : [`${owner}.${label} TLSA ${tlsa}`])
  const policy = domain.policy === undefined ? [] : ['_mta-sts TXT "v=STSv1; id=1"', `mta-sts A ${policyAddress}`]
  const zone = { name: domainOf(domain), records: [`@ MX 10 ${hostOf(domain)}.`, ...policy] }
  const own = [`mx A ${address}`, ...tlsaAt('mx')]
  const whole: LabZone = { ...zone, records: [...zone.records, ...own] }
  const hostZone = { name: `${domain.name}-host.test`, records: own }
  if (domain.zones === undefined) return [whole]
  switch (domain.zones) {
    case 'bogus':
      return [{ ...whole, dnssec: 'wrong-ds' }]
    case 'unsigned-mx':
      return [{ ...zone, dnssec: 'unsigned' }, hostZone]
    case 'bogus-mx-host':
      return [zone, { ...hostZone, dnssec: 'wrong-ds' }]
    case 'alias':
      return [
        { ...zone, records: [...zone.records, `mx CNAME real.${hostZone.name}.`] },
        { ...hostZone, records: [`real A ${address}`, ...tlsaAt('real')] },
      ]
    case 'tlsa-servfail':
      return [whole, { name: `_tcp.${hostOf(domain)}`, served: false, records: [] }]
    case 'forged-tlsa':
      // Signed was another record than the one that is served, which means the very certificate that is shown.
      return [
        {
          ...zone,
          records: [...zone.records, `mx A ${address}`, `${owner}.mx TLSA 3 1 1 ${'0'.repeat(64)}`],
          tamper: (line) => line.replace(/(\sTLSA\s+)3 1 1 [0 ]+$/, `$1${tlsa}`),
        },
      ]
  }
}
