/**
 * Extended DNS errors (RFC 8914): why a server could not answer, read from an OPT record and told to people. Pure.
 *
 * They explain and never decide: whether a lookup failed is said by its RCODE. The text is the server's, so it is cut
 * and cleaned here, before anybody keeps it.
 */
import type { ExtendedDnsError } from './answer.ts'
import { cleanText } from './clean-text.ts'

/** RFC 8914 §2. */
export const EDE_OPTION = 15
const INFO_CODE_LENGTH = 2
/** An OPT record holds as many as one likes (RFC 8914 §2); those behind these say nothing new. */
const MAX_OPTIONS = 8

// IANA "Extended DNS Error Codes": those of RFC 8914 §4 and of RFC 9276 §3.2.
const PURPOSES: readonly string[] = [
  'Other Error',
  'Unsupported DNSKEY Algorithm',
  'Unsupported DS Digest Type',
  'Stale Answer',
  'Forged Answer',
  'DNSSEC Indeterminate',
  'DNSSEC Bogus',
  'Signature Expired',
  'Signature Not Yet Valid',
  'DNSKEY Missing',
  'RRSIGs Missing',
  'No Zone Key Bit Set',
  'NSEC Missing',
  'Cached Error',
  'Not Ready',
  'Blocked',
  'Censored',
  'Filtered',
  'Prohibited',
  'Stale NXDOMAIN Answer',
  'Not Authoritative',
  'Not Supported',
  'No Reachable Authority',
  'Network Error',
  'Invalid Data',
  'Signature Expired before Valid',
  'Too Early',
  'Unsupported NSEC3 Iterations Value',
]

/** Validation itself failed, or could not be completed. */
const VALIDATION_FAILURES: ReadonlySet<number> = new Set([5, 6, 7, 8, 9, 10, 11, 12, 25])

/** Of several, one about validation tells most. */
export function readExtendedError(
  options: readonly { readonly code: number; readonly data?: Buffer | undefined }[],
): ExtendedDnsError | undefined {
  const errors = options
    .flatMap(({ code, data }) => (code === EDE_OPTION && data !== undefined ? [data] : []))
    .filter((bytes) => bytes.length >= INFO_CODE_LENGTH)
    .slice(0, MAX_OPTIONS)
    .map((bytes) => ({
      infoCode: bytes.readUInt16BE(0),
      extraText: cleanText(bytes.subarray(INFO_CODE_LENGTH).toString('utf8')),
    }))
  return errors.find(isValidationFailure) ?? errors[0]
}

/** The zone's signatures are wrong or cannot be followed; other errors may have nothing to do with DNSSEC. */
export function isValidationFailure({ infoCode }: Pick<ExtendedDnsError, 'infoCode'>): boolean {
  return VALIDATION_FAILURES.has(infoCode)
}

/** Others may be anything that fits into sixteen bits. */
export function isRegistered({ infoCode }: Pick<ExtendedDnsError, 'infoCode'>): boolean {
  return infoCode < PURPOSES.length
}

/** `DNSSEC Bogus (6): …`; without text just the purpose. */
export function extendedErrorText({ infoCode, extraText }: ExtendedDnsError): string {
  const purpose = `${PURPOSES[infoCode] ?? 'extended error'} (${infoCode})`
  return extraText === '' ? purpose : `${purpose}: ${extraText}`
}
