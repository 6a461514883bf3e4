/**
 * Reports that others sent, from a mail or a file, compressed or not: what they say, as far as it can be understood, and
 * every place where they depart from RFC 8460 §4.4.
 *
 * Strangers wrote the bytes: everything is bounded, and texts come out as they are, control characters and all, so who
 * prints them cleans them. Pure.
 */
import { gunzipSync } from 'node:zlib'
import { err, ok, type Result } from '@hermetic/policy'
import { type JsonBounds, jsonExcess } from './json-bounds.ts'
import { reportInMail } from './report-in-mail.ts'
import { isObject, type ReportFinding, reportFindings } from './report-schema.ts'

/** Undefined: not said, or not as the kind of value that it should be. */
export interface ReadReport {
  readonly organizationName: string | undefined
  readonly contactInfo: string | undefined
  readonly reportId: string | undefined
  readonly start: string | undefined
  readonly end: string | undefined
  readonly policies: readonly ReadPolicy[]
  /** At most `FINDINGS_MAX`. */
  readonly findings: readonly ReportFinding[]
}

export interface ReadPolicy {
  readonly policyType: string | undefined
  readonly policyDomain: string | undefined
  readonly policyString: readonly string[]
  readonly mxHost: readonly string[]
  readonly successfulSessions: number
  readonly failedSessions: number
  readonly failures: readonly ReadFailure[]
}

export interface ReadFailure {
  readonly resultType: string | undefined
  readonly sessions: number
  readonly sendingMtaIp: string | undefined
  readonly receivingMxHostname: string | undefined
  readonly receivingMxHelo: string | undefined
  readonly receivingIp: string | undefined
  readonly additionalInformation: string | undefined
  readonly failureReasonCode: string | undefined
}

export type ReadReportError =
  | { readonly kind: 'too-large'; readonly octetsMax: number }
  | { readonly kind: 'damaged-compression' }
  /** Neither JSON nor a mail in which a report is found. */
  | { readonly kind: 'no-report' }
  | { readonly kind: 'malformed-json' }
  /** JSON that nests deeper, or holds more, than any report. */
  | { readonly kind: 'too-complex'; readonly excess: 'depth' | 'values' }
  /** JSON, and nothing of a report in it. */
  | { readonly kind: 'other-json' }

/** What mail servers take, and some more. */
export const REPORT_OCTETS_MAX = 32 * 1024 * 1024
/** A small file must not become a memory full of zeros. */
export const UNPACKED_OCTETS_MAX = 64 * 1024 * 1024
export const FINDINGS_MAX = 1_000
/** A report nests five deep; the largest one that ever was below the size has some hundred thousand values. */
const JSON_BOUNDS: JsonBounds = { depthMax: 32, valuesMax: 2_000_000 }

export function readReport(bytes: Uint8Array): Result<ReadReport, ReadReportError> {
  if (bytes.length > REPORT_OCTETS_MAX) return err({ kind: 'too-large', octetsMax: REPORT_OCTETS_MAX })
  const file = unpacked(bytes)
  if (!file.ok) return file
  if (looksLikeJson(file.value)) return parseReport(file.value)
  const attached = reportInMail(file.value)
  if (attached === undefined) return err({ kind: 'no-report' })
  const json = unpacked(attached)
  return json.ok ? parseReport(json.value) : json
}

/** Twice, for there are senders that compress what is compressed. */
function unpacked(bytes: Uint8Array): Result<Uint8Array, ReadReportError> {
  let file = bytes
  for (let layer = 0; layer < 2 && file[0] === 0x1f && file[1] === 0x8b; layer += 1) {
    try {
      file = gunzipSync(file, { maxOutputLength: UNPACKED_OCTETS_MAX })
    } catch (error) {
      const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
      return err(tooLarge ? { kind: 'too-large', octetsMax: UNPACKED_OCTETS_MAX } : { kind: 'damaged-compression' })
    }
  }
  return ok(file)
}

function looksLikeJson(bytes: Uint8Array): boolean {
  return /^\s*[{[]/.test(new TextDecoder().decode(bytes.subarray(0, 1024)))
}

function parseReport(bytes: Uint8Array): Result<ReadReport, ReadReportError> {
  const excess = jsonExcess(bytes, JSON_BOUNDS)
  if (excess !== undefined) return err({ kind: 'too-complex', excess })
  let value: unknown
  try {
    // A byte-order mark is forgiven: the decoder drops it.
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return err({ kind: 'malformed-json' })
  }
  if (!isObject(value) || !('policies' in value || 'report-id' in value)) return err({ kind: 'other-json' })
  return ok(understood(value))
}

/** What we always send although RFC 8460 §4.4 leaves room (RPT-26, RPT-30) is no fault of those who leave it out. */
function isByRfc({ path, kind }: ReportFinding): boolean {
  return kind !== 'missing' || !/\.(?:failure-details|policy-string)$/.test(path)
}

type Json = Readonly<Record<string, unknown>>

function understood(report: Json): ReadReport {
  const range = objectAt(report, 'date-range')
  return {
    organizationName: textAt(report, 'organization-name'),
    contactInfo: textAt(report, 'contact-info'),
    reportId: textAt(report, 'report-id'),
    start: textAt(range, 'start-datetime'),
    end: textAt(range, 'end-datetime'),
    policies: objectsAt(report, 'policies').map(policyIn),
    findings: reportFindings(report).filter(isByRfc).slice(0, FINDINGS_MAX),
  }
}

function policyIn(entry: Json): ReadPolicy {
  const policy = objectAt(entry, 'policy')
  const summary = objectAt(entry, 'summary')
  return {
    policyType: textAt(policy, 'policy-type'),
    policyDomain: textAt(policy, 'policy-domain'),
    policyString: textsAt(policy, 'policy-string'),
    mxHost: textsAt(policy, 'mx-host'),
    successfulSessions: countAt(summary, 'total-successful-session-count'),
    failedSessions: countAt(summary, 'total-failure-session-count'),
    failures: objectsAt(entry, 'failure-details').map(failureIn),
  }
}

function failureIn(failure: Json): ReadFailure {
  return {
    resultType: textAt(failure, 'result-type'),
    sessions: countAt(failure, 'failed-session-count'),
    sendingMtaIp: textAt(failure, 'sending-mta-ip'),
    receivingMxHostname: textAt(failure, 'receiving-mx-hostname'),
    receivingMxHelo: textAt(failure, 'receiving-mx-helo'),
    receivingIp: textAt(failure, 'receiving-ip'),
    additionalInformation: textAt(failure, 'additional-information'),
    failureReasonCode: textAt(failure, 'failure-reason-code'),
  }
}

const NOTHING: Json = {}

function objectAt(from: Json, name: string): Json {
  const value = from[name]
  return isObject(value) ? value : NOTHING
}

/** One that stands alone is a list of one (erratum 6241 was an example with a string for a list). */
function listAt(from: Json, name: string): readonly unknown[] {
  const value = from[name]
  return Array.isArray(value) ? value : value === undefined ? [] : [value]
}

function objectsAt(from: Json, name: string): readonly Json[] {
  return listAt(from, name).filter(isObject)
}

function textsAt(from: Json, name: string): readonly string[] {
  return listAt(from, name).filter((value) => typeof value === 'string')
}

function textAt(from: Json, name: string): string | undefined {
  const value = from[name]
  return typeof value === 'string' ? value : undefined
}

/** A count as a number or as digits; what is not said is none. */
function countAt(from: Json, name: string): number {
  const value = from[name]
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : 0
}
