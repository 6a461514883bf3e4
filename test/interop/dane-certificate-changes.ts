/**
 * One change each to a certificate of a chain that would hold: most break it, some only look as if they did.
 * For `dane-cases.ts`, which picks them at random.
 */
import {
  ANY_PURPOSE,
  basicConstraints,
  type CertificateKey,
  CLIENT_AUTH,
  directoryName,
  distinguishedName,
  dnsName,
  extendedKeyUsage,
  extension,
  ipName,
  keyUsage,
  mailName,
  nameConstraints,
  SERVER_AUTH,
  type SignatureName,
  simpleName,
  subjectAltName,
  subjectKeyId,
} from '../lab/certificate-writer.ts'
import {
  boolean,
  type Der,
  ia5String,
  integer,
  objectIdentifier,
  octetString,
  printableString,
  sequence,
  tagged,
  taggedPrimitive,
  utf8String,
} from '../lab/der-writer.ts'
import { daysFromNow, NOW, type WrittenExtensions, type WrittenOptions } from '../lab/written-chain.ts'
import type { SeededRandom } from '../soak/random.ts'

export interface Pool {
  readonly strong: readonly CertificateKey[]
  readonly rsa: readonly CertificateKey[]
  readonly weak: readonly CertificateKey[]
}

/** A certificate before it is written, to be changed in place. */
export interface Draft {
  options: WrittenOptions
  readonly role: 'leaf' | 'ca'
  /** As the certificate above it is drafted. */
  readonly issuerSubject: Der
}

export interface ChangeContext {
  readonly random: SeededRandom
  readonly pool: Pool
}

export type CertificateChange = readonly [name: string, (draft: Draft, context: ChangeContext) => void]

export function pick<T>(random: SeededRandom, list: readonly T[]): T {
  const one = list[random.between(0, list.length - 1)]
  if (one === undefined) throw new Error('nothing to pick from')
  return one
}

function set(draft: Draft, options: WrittenOptions): void {
  draft.options = { ...draft.options, ...options }
}

function extend(draft: Draft, extensions: WrittenExtensions): void {
  set(draft, { extensions: { ...draft.options.extensions, ...extensions } })
}

/** Changes that choose one of several values for one extension. */
function choice(name: keyof WrittenExtensions, values: Readonly<Record<string, Der | null>>): CertificateChange[] {
  return Object.entries(values).map(([what, value]) => [
    `${name}: ${what}`,
    (draft) => extend(draft, { [name]: value }),
  ])
}

const UNKNOWN = '1.3.6.1.4.1.55738.666.1'
const NOTHING = sequence()
const ID = {
  policies: '2.5.29.32',
  policyConstraints: '2.5.29.36',
  subjectKeyId: '2.5.29.14',
  subjectAltName: '2.5.29.17',
}
const ANY_POLICY = sequence(sequence(objectIdentifier('2.5.29.32.0')))
const EXPLICIT_POLICY = sequence(taggedPrimitive(0, Buffer.from([0])))

const DATES: readonly CertificateChange[] = (
  [
    ['expired', { notAfter: daysFromNow(-0.5) }],
    ['expired long ago', { notBefore: daysFromNow(-400), notAfter: daysFromNow(-300) }],
    ['ends now', { notAfter: NOW }],
    ['ends in a second', { notAfter: NOW + 1000 }],
    ['ended a second ago', { notAfter: NOW - 1000 }],
    ['begins now', { notBefore: NOW }],
    ['begins in a second', { notBefore: NOW + 1000 }],
    ['begins later', { notBefore: daysFromNow(2) }],
    ['until 9999', { notAfter: Date.parse('9999-12-31T23:59:59Z') }],
    ['since 1949', { notBefore: Date.parse('1949-06-01T00:00:00Z') }],
  ] as const
).map(([what, dates]) => [`dates: ${what}`, (draft) => set(draft, dates)])

const CONSTRAINTS = choice('basicConstraints', {
  absent: null,
  'no CA': basicConstraints(false),
  CA: basicConstraints(true),
  'length 0': basicConstraints(true, 0),
  'length 1': basicConstraints(true, 1),
  'length 2': basicConstraints(true, 2),
  'length without CA': basicConstraints(false, 1),
  'length 0 without CA': basicConstraints(false, 0),
  'explicit false': extension({ id: '2.5.29.19', value: sequence(boolean(false)) }),
  'not critical': extension({ id: '2.5.29.19', value: sequence(boolean(true)) }),
  'negative length': extension({
    id: '2.5.29.19',
    critical: true,
    value: sequence(boolean(true), Buffer.from([0x02, 0x01, 0xff])),
  }),
  'great length': extension({ id: '2.5.29.19', critical: true, value: sequence(boolean(true), integer(2n ** 40n)) }),
})

const USAGES = [
  ...choice('keyUsage', {
    absent: null,
    'digital signature': keyUsage('digitalSignature'),
    'key encipherment': keyUsage('keyEncipherment'),
    'sign certificates': keyUsage('keyCertSign'),
    'sign lists': keyUsage('cRLSign'),
    'both kinds': keyUsage('digitalSignature', 'keyCertSign'),
    empty: keyUsage(),
  }),
  ...choice('extendedKeyUsage', {
    absent: null,
    server: extendedKeyUsage(SERVER_AUTH),
    client: extendedKeyUsage(CLIENT_AUTH),
    both: extendedKeyUsage(CLIENT_AUTH, SERVER_AUTH),
    any: extendedKeyUsage(ANY_PURPOSE),
    unknown: extendedKeyUsage(UNKNOWN),
    empty: extendedKeyUsage(),
  }),
]

const NAMES = choice('subjectAltName', {
  absent: null,
  other: subjectAltName(dnsName('other.example')),
  wildcard: subjectAltName(dnsName('*.example.com')),
  'wildcard of a top-level domain': subjectAltName(dnsName('*.com')),
  'partial wildcard': subjectAltName(dnsName('m*.example.com')),
  'inner wildcard': subjectAltName(dnsName('mx.*.com')),
  'upper case': subjectAltName(dnsName('MX.EXAMPLE.COM')),
  'trailing dot': subjectAltName(dnsName('mx.example.com.')),
  NUL: subjectAltName(dnsName('mx.example.com\0.evil.example')),
  underscore: subjectAltName(dnsName('_smtp.example.com'), dnsName('mx.example.com')),
  address: subjectAltName(ipName([192, 0, 2, 1]), dnsName('mx.example.com')),
  'address of five octets': subjectAltName(ipName([192, 0, 2, 1, 9]), dnsName('mx.example.com')),
  mailbox: subjectAltName(mailName('postmaster@example.com'), dnsName('mx.example.com')),
  directory: subjectAltName(directoryName(simpleName('elsewhere')), dnsName('mx.example.com')),
  'next-hop domain': subjectAltName(dnsName('example.com')),
  many: subjectAltName(
    ...Array.from({ length: 60 }, (_, at) => dnsName(`n${at}.example.com`)),
    dnsName('mx.example.com'),
  ),
  empty: subjectAltName(),
})

const RESTRICTIONS = choice('nameConstraints', {
  'permits the name': nameConstraints({ permitted: [dnsName('example.com')] }),
  'permits the host': nameConstraints({ permitted: [dnsName('MX.example.com')] }),
  'permits another': nameConstraints({ permitted: [dnsName('example.net')] }),
  'permits one of two': nameConstraints({ permitted: [dnsName('example.net'), dnsName('example.com')] }),
  'permits everything': nameConstraints({ permitted: [dnsName('')] }),
  'permits a leading dot': nameConstraints({ permitted: [dnsName('.example.com')] }),
  'permits a look-alike': nameConstraints({ permitted: [dnsName('ample.com')] }),
  'excludes the name': nameConstraints({ excluded: [dnsName('example.com')] }),
  'excludes another': nameConstraints({ excluded: [dnsName('example.net')] }),
  'excludes everything': nameConstraints({ excluded: [dnsName('')] }),
  'excludes a host that a wildcard covers': nameConstraints({ excluded: [dnsName('a.example.com')] }),
  'permits an address': nameConstraints({ permitted: [ipName([192, 0, 2, 0, 255, 255, 255, 0])] }),
  'permits another address': nameConstraints({ permitted: [ipName([198, 51, 100, 0, 255, 255, 255, 0])] }),
  'excludes addresses': nameConstraints({ excluded: [ipName([0, 0, 0, 0, 0, 0, 0, 0])] }),
  'a mask with holes': nameConstraints({ permitted: [ipName([192, 0, 2, 0, 255, 0, 255, 0])] }),
  'a short range': nameConstraints({ permitted: [ipName([192, 0, 2, 0])] }),
  'permits a directory': nameConstraints({ permitted: [directoryName(simpleName('elsewhere'))] }),
  'permits the leaf by another spelling': nameConstraints({
    permitted: [directoryName(simpleName(' LEAF ', printableString))],
  }),
  'excludes the leaf by another spelling': nameConstraints({
    excluded: [directoryName(simpleName(' LeAf ', printableString))],
  }),
  'permits mailboxes': nameConstraints({ permitted: [mailName('example.com')] }),
  'excludes mailboxes': nameConstraints({ excluded: [mailName('example.com')] }),
  'a minimum': extension({
    id: '2.5.29.30',
    critical: true,
    value: sequence(tagged(0, sequence(dnsName('example.com'), taggedPrimitive(0, Buffer.from([1]))))),
  }),
  empty: extension({ id: '2.5.29.30', critical: true, value: NOTHING }),
  'not critical': extension({
    id: '2.5.29.30',
    value: sequence(tagged(0, sequence(dnsName('example.net')))),
  }),
})

const OTHER = choice('other', {
  'unknown critical': extension({ id: UNKNOWN, critical: true, value: NOTHING }),
  unknown: extension({ id: UNKNOWN, value: NOTHING }),
  'no DER inside': extension({ id: UNKNOWN, value: Buffer.from('no DER') }),
  policies: extension({ id: ID.policies, critical: true, value: ANY_POLICY }),
  'policy constraints': extension({ id: ID.policyConstraints, critical: true, value: EXPLICIT_POLICY }),
  'critical key identifier': extension({ id: ID.subjectKeyId, critical: true, value: octetString(Buffer.alloc(4)) }),
  'a second list of names': extension({ id: ID.subjectAltName, value: sequence(dnsName('mx.example.com')) }),
})

const ALGORITHMS: readonly SignatureName[] = [
  'ecdsa-sha1',
  'ecdsa-sha224',
  'ecdsa-sha384',
  'rsa-sha1',
  'rsa-md5',
  'rsa-sha512',
  'rsa-pss-sha256',
]

const KEYS: readonly CertificateChange[] = [
  ['key: RSA', (draft, { random, pool }) => set(draft, { key: pick(random, pool.rsa) })],
  ['key: weak', (draft, { random, pool }) => set(draft, { key: pick(random, pool.weak) })],
  ['signed by a stranger', (draft, { random, pool }) => set(draft, { signer: pick(random, pool.strong) })],
  ['version 1', (draft) => set(draft, { version: 1 })],
  ['version 2', (draft) => set(draft, { version: 2, extensions: noExtensions() })],
  ...ALGORITHMS.map(algorithmChange),
  ['another algorithm outside', (draft) => set(draft, { outerAlgorithm: 'ecdsa-sha384' })],
]

/** Dropped by `dane-cases.ts` where the issuer's key cannot make it. */
function algorithmChange(algorithm: SignatureName): CertificateChange {
  return [`algorithm: ${algorithm}`, (draft) => set(draft, { algorithm })]
}

function noExtensions(): WrittenExtensions {
  return {
    basicConstraints: null,
    keyUsage: null,
    extendedKeyUsage: null,
    subjectAltName: null,
    subjectKeyId: null,
    authorityKeyId: null,
    nameConstraints: null,
    other: null,
  }
}

/** 2.5.29.35 with the fields of RFC 5280 §4.2.1.1 that are seldom there. */
function authorityKey(...fields: readonly Der[]): Der {
  return extension({ id: '2.5.29.35', value: sequence(...fields) })
}

const RELATIONS: readonly CertificateChange[] = [
  ...choice('authorityKeyId', {
    absent: null,
    'of another key': authorityKey(taggedPrimitive(0, Buffer.alloc(20, 7))),
    'another serial': authorityKey(taggedPrimitive(2, Buffer.from([0x11]))),
    'another issuer': authorityKey(tagged(1, directoryName(simpleName('nobody')))),
  }),
  ...choice('subjectKeyId', { absent: null, other: subjectKeyId(Buffer.alloc(20, 9)) }),
  ['named as its issuer', (draft) => set(draft, { subject: draft.issuerSubject })],
  ['another issuer name', (draft) => set(draft, { issuerName: simpleName('nobody') })],
  ['no issuer name', (draft) => set(draft, { issuerName: distinguishedName() })],
  ['no subject', (draft) => set(draft, { subject: distinguishedName() })],
  ['subject with a mailbox', (draft) => set(draft, { subject: withMailbox(ia5String) })],
  ['subject with a mailbox in UTF-8', (draft) => set(draft, { subject: withMailbox(utf8String) })],
  [
    'subject in another spelling',
    (draft) =>
      set(draft, { subject: simpleName(draft.role === 'leaf' ? '  LEAF' : '  sPelled   So ', printableString) }),
  ],
  ['tampered and signed', (draft, { random }) => set(draft, { tamper: (tbs) => flipped(tbs, random) })],
]

function withMailbox(encode: (text: string) => Der): Der {
  return distinguishedName(['2.5.4.3', utf8String('leaf')], ['1.2.840.113549.1.9.1', encode('a@example.com')])
}

/** One to three octets changed, mostly where structure is: many of these no longer parse. */
export function flipped(octets: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = Buffer.from(octets)
  for (let count = random.between(1, 3); count > 0; count -= 1) {
    const at = random.between(0, copy.length - 1)
    const octet = copy[at] ?? 0
    copy[at] = random.chance(0.5) ? octet ^ (1 << random.between(0, 7)) : random.between(0, 255)
  }
  return copy
}

export const CERTIFICATE_CHANGES: readonly (readonly CertificateChange[])[] = [
  DATES,
  CONSTRAINTS,
  USAGES,
  NAMES,
  RESTRICTIONS,
  OTHER,
  KEYS,
  RELATIONS,
]
