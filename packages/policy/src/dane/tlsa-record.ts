/**
 * TLSA records (RFC 6698 §2): their text and wire forms, and which of them we can use (RFC 6698 §4.1, RFC 7671 §9).
 *
 * Usages 0 and 1 are never usable: no set of public roots is the one that every SMTP server means (RFC 7672 §3.1.3).
 * Which usable records then count is decided in `digest-agility.ts`, whether a peer is the one they mean in
 * `authenticate.ts`. Pure.
 */
import { createPublicKey, X509Certificate } from 'node:crypto'
import type { TlsaRecordData } from '../dns/resolver.ts'
import { err, ok, type Result } from '../result.ts'
import type { TlsaRecord } from './facts.ts'

export type TlsaDigest = Exclude<TlsaRecord['matchingType'], 'full'>

/** Why a record says nothing to us. */
export type UnusableTlsa =
  /** PKIX-TA(0) or PKIX-EE(1). */
  | 'pkix-usage'
  | 'unknown-usage'
  | 'unknown-selector'
  | 'unknown-matching-type'
  /** The digest is below local policy. */
  | 'disabled-digest'
  | 'empty'
  | 'digest-length'
  /** Full(0) data that is no DER certificate or public key. */
  | 'not-a-certificate'
  | 'not-a-public-key'

/** RFC 7218 §2.1 to §2.3, as far as usable. */
const USAGES = { 2: 'dane-ta', 3: 'dane-ee' } as const satisfies Codes<TlsaRecord['usage']>
const SELECTORS = { 0: 'cert', 1: 'spki' } as const satisfies Codes<TlsaRecord['selector']>
const MATCHING_TYPES = { 0: 'full', 1: 'sha-256', 2: 'sha-512' } as const satisfies Codes<TlsaRecord['matchingType']>
const DIGEST_OCTETS: Readonly<Record<TlsaDigest, number>> = { 'sha-256': 32, 'sha-512': 64 }
/** Usage, selector and matching type come before the association data (RFC 6698 §2.1). */
const FIXED_OCTETS = 3
const DER_SEQUENCE = 0x30

type Codes<T extends string> = Readonly<Record<number, T>>

/** `digests`: those that local policy allows; Full(0) is always. */
export function usableTlsa(
  published: TlsaRecordData,
  { digests }: { readonly digests: readonly TlsaDigest[] },
): Result<TlsaRecord, UnusableTlsa> {
  const { associationData } = published
  if (published.usage === 0 || published.usage === 1) return err('pkix-usage')
  const usage = meaning(USAGES, published.usage)
  if (usage === undefined) return err('unknown-usage')
  const selector = meaning(SELECTORS, published.selector)
  if (selector === undefined) return err('unknown-selector')
  const matchingType = meaning(MATCHING_TYPES, published.matchingType)
  if (matchingType === undefined) return err('unknown-matching-type')
  if (matchingType !== 'full' && !digests.includes(matchingType)) return err('disabled-digest')
  const problem = malformed(associationData, { selector, matchingType })
  return problem === undefined ? ok({ usage, selector, matchingType, associationData }) : err(problem)
}

function meaning<T extends string>(codes: Codes<T>, code: number): T | undefined {
  return codes[code]
}

function malformed(
  bytes: Uint8Array,
  { selector, matchingType }: Pick<TlsaRecord, 'selector' | 'matchingType'>,
): UnusableTlsa | undefined {
  if (bytes.length === 0) return 'empty'
  if (matchingType !== 'full') return bytes.length === DIGEST_OCTETS[matchingType] ? undefined : 'digest-length'
  if (selector === 'cert') return isDer(bytes) && isCertificate(bytes) ? undefined : 'not-a-certificate'
  return isDer(bytes) && isPublicKey(bytes) ? undefined : 'not-a-public-key'
}

/** One SEQUENCE with a definite, shortest length and nothing after it: the decoders below also take PEM and more. */
function isDer(bytes: Uint8Array): boolean {
  const [tag, first = 0] = bytes
  if (tag !== DER_SEQUENCE) return false
  if (first < 0x80) return bytes.length === 2 + first
  const octets = first & 0x7f
  const lengthOctets = bytes.subarray(2, 2 + octets)
  if (octets === 0 || octets > 4 || lengthOctets[0] === 0) return false
  const length = lengthOctets.reduce((sum, octet) => sum * 256 + octet, 0)
  return length >= 0x80 && bytes.length === 2 + octets + length
}

function isCertificate(der: Uint8Array): boolean {
  try {
    return new X509Certificate(der).raw.length > 0
  } catch {
    return false
  }
}

function isPublicKey(der: Uint8Array): boolean {
  try {
    return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' }).type === 'public'
  } catch {
    return false
  }
}

/** The fields as numbers again. */
export function tlsaFields({ usage, selector, matchingType, associationData }: TlsaRecord): TlsaRecordData {
  return {
    usage: code(USAGES, usage),
    selector: code(SELECTORS, selector),
    matchingType: code(MATCHING_TYPES, matchingType),
    associationData,
  }
}

function code<T extends string>(codes: Codes<T>, meant: T): number {
  return Number(Object.keys(codes).find((key) => codes[Number(key)] === meant))
}

/** RFC 6698 §2.2: `3 1 1 ab…`, the data in one piece and in lower case. */
export function tlsaText(record: TlsaRecord | TlsaRecordData): string {
  const { usage, selector, matchingType, associationData } = isUsable(record) ? tlsaFields(record) : record
  return `${usage} ${selector} ${matchingType} ${Buffer.from(associationData).toString('hex')}`.trimEnd()
}

function isUsable(record: TlsaRecord | TlsaRecordData): record is TlsaRecord {
  return typeof record.usage === 'string'
}

export type TlsaTextError =
  /** Usage, selector and matching type are decimal numbers of one octet. */
  | { readonly kind: 'malformed-field'; readonly field: string }
  /** Not pairs of hexadecimal digits. */
  | { readonly kind: 'malformed-association-data' }

const DECIMAL = /^\d{1,3}$/
const HEX_OCTETS = /^(?:[0-9a-f]{2})*$/i

/** RFC 6698 §2.2: white space may stand between the hexadecimal digits. Says nothing about use. */
export function parseTlsaText(text: string): Result<TlsaRecordData, TlsaTextError> {
  const [usage = '', selector = '', matchingType = '', ...hex] = text.trim().split(/[ \t]+/)
  const malformedField = [usage, selector, matchingType].find((field) => !DECIMAL.test(field) || Number(field) > 255)
  if (malformedField !== undefined) return err({ kind: 'malformed-field', field: malformedField })
  const digits = hex.join('')
  if (!HEX_OCTETS.test(digits)) return err({ kind: 'malformed-association-data' })
  return ok({
    usage: Number(usage),
    selector: Number(selector),
    matchingType: Number(matchingType),
    associationData: new Uint8Array(Buffer.from(digits, 'hex')),
  })
}

/** RFC 6698 §2.1; undefined when it ends before the association data. */
export function parseTlsaRdata(rdata: Uint8Array): TlsaRecordData | undefined {
  const [usage, selector, matchingType] = rdata
  if (usage === undefined || selector === undefined || matchingType === undefined) return undefined
  // A copy: the bytes may be a window into a larger message.
  return { usage, selector, matchingType, associationData: new Uint8Array(rdata.subarray(FIXED_OCTETS)) }
}

export function tlsaRdata({ usage, selector, matchingType, associationData }: TlsaRecordData): Uint8Array {
  return Uint8Array.from([usage, selector, matchingType, ...associationData])
}
