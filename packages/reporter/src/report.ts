/**
 * The report of one day about one policy domain (RFC 8460 §4.4): from the sum of its sessions to JSON, and to the
 * bytes that are stored and sent.
 *
 * The same sum gives the same bytes: members in the order of RFC 8460, entries by their keys. Where it goes, and in
 * what wrapping, is not known here. Pure.
 */
import type { DomainName } from '@hermetic/policy'
import type { PolicyType, ReportedFailure, ReportedPolicy } from './counted-session.ts'
import { interchangeable } from './reported-text.ts'
import { addSums, type DomainTally, type FailureCount, type FailureSums, type PolicyTally, policyKey } from './tally.ts'
import { dateRange, type UtcDay } from './utc-day.ts'

/** RFC 8460 §4.4, member by member. */
export interface TlsReport {
  readonly 'organization-name': string
  readonly 'date-range': { readonly 'start-datetime': string; readonly 'end-datetime': string }
  readonly 'contact-info': string
  readonly 'report-id': string
  readonly policies: readonly PolicyEntry[]
}

export interface PolicyEntry {
  readonly policy: {
    readonly 'policy-type': PolicyType
    readonly 'policy-string': readonly string[]
    readonly 'policy-domain': string
    readonly 'mx-host'?: readonly string[]
  }
  readonly summary: {
    readonly 'total-successful-session-count': number
    readonly 'total-failure-session-count': number
  }
  readonly 'failure-details': readonly FailureEntry[]
}

export interface FailureEntry {
  readonly 'result-type': string
  readonly 'sending-mta-ip'?: string
  readonly 'receiving-mx-hostname'?: string
  readonly 'receiving-mx-helo'?: string
  readonly 'receiving-ip'?: string
  readonly 'failed-session-count': number
  readonly 'failure-reason-code'?: string
}

/** Who reports. */
export interface Reporter {
  readonly organizationName: string
  /** addr-spec (RPT-19). */
  readonly contactInfo: string
}

export interface ReportSubject {
  readonly policyDomain: DomainName
  readonly day: UtcDay
  readonly reportId: string
}

/** RPT-69: the reason of failures that are counted together because there were too many kinds. */
export const MERGED_REASON = 'details-merged'

export function tlsReport(reporter: Reporter, subject: ReportSubject, tally: DomainTally): TlsReport {
  const { start, end } = dateRange(subject.day)
  return {
    'organization-name': interchangeable(reporter.organizationName),
    'date-range': { 'start-datetime': start, 'end-datetime': end },
    'contact-info': reporter.contactInfo,
    'report-id': subject.reportId,
    policies: reportedPolicies(subject.policyDomain, tally),
  }
}

/** A sum as a report about it would tell it. */
export function reportedPolicies(policyDomain: DomainName, tally: DomainTally): readonly PolicyEntry[] {
  return entriesOf(policyDomain, tally).map(policyEntry)
}

/** UTF-8 without a byte-order mark (RFC 7493 §2.1), one line end at the end. */
export function renderReport(report: TlsReport): Uint8Array {
  return Buffer.from(`${JSON.stringify(report, undefined, 2)}\n`)
}

/** Policies beyond the bound stand as one entry without a policy-string, beside one that is such by itself. */
function entriesOf(policyDomain: DomainName, { policies, otherPolicies }: DomainTally): readonly PolicyTally[] {
  const byKey = new Map(policies.map((one) => [policyKey(one.policy), one]))
  for (const policyType of ['sts', 'tlsa', 'no-policy-found'] as const) {
    const sums = otherPolicies[policyType]
    if (sums === undefined) continue
    const policy: ReportedPolicy = { policyType, policyDomain, policyString: [], mxHost: [] }
    const key = policyKey(policy)
    const same = byKey.get(key)
    byKey.set(key, { policy, failures: same?.failures ?? [], ...addSums(same === undefined ? [sums] : [same, sums]) })
  }
  return [...byKey.values()]
}

function policyEntry({
  policy,
  successfulSessions,
  failedSessions,
  failures,
  otherFailures,
}: PolicyTally): PolicyEntry {
  return {
    policy: {
      'policy-type': policy.policyType,
      'policy-string': policy.policyString.map(interchangeable),
      'policy-domain': policy.policyDomain,
      ...(policy.mxHost.length > 0 && { 'mx-host': policy.mxHost }),
    },
    summary: {
      'total-successful-session-count': successfulSessions,
      'total-failure-session-count': failedSessions,
    },
    'failure-details': [...failures.map(failureEntry), ...mergedEntries(otherFailures)],
  }
}

function failureEntry({ failure, sessions }: FailureCount): FailureEntry {
  return {
    'result-type': failure.resultType,
    ...places(failure),
    'failed-session-count': sessions,
    ...(failure.failureReasonCode !== undefined && {
      'failure-reason-code': interchangeable(failure.failureReasonCode),
    }),
  }
}

function places({ sendingMtaIp, receivingMxHostname, receivingMxHelo, receivingIp }: ReportedFailure) {
  return {
    ...(sendingMtaIp !== undefined && { 'sending-mta-ip': sendingMtaIp }),
    ...(receivingMxHostname !== undefined && { 'receiving-mx-hostname': receivingMxHostname }),
    ...(receivingMxHelo !== undefined && { 'receiving-mx-helo': interchangeable(receivingMxHelo) }),
    ...(receivingIp !== undefined && { 'receiving-ip': receivingIp }),
  }
}

function mergedEntries(sums: FailureSums): readonly FailureEntry[] {
  return Object.entries(sums).map(([resultType, sessions]) => ({
    'result-type': resultType,
    'failed-session-count': sessions,
    'failure-reason-code': MERGED_REASON,
  }))
}
