/**
 * From what one session says about TLS to what a report counts (RFC 8460 §4.2 to §4.4): one entry per policy, a failure
 * once however many details it has (RPT-60).
 *
 * The judgement is made in the policy package, by the verdict that delivery used; nothing is judged again. What kind
 * of session counts at all (RPT-61, RPT-68) is known to who calls. Pure.
 */
import {
  assertNever,
  type DomainName,
  type FailureDetail,
  invariant,
  mxPatternText,
  type OwnerName,
  type PolicyFailure,
  type SessionResult,
  type StsPolicy,
  tlsaText,
} from '@hermetic/policy'
import { reportedAddress, reportedHelo, reportedReason } from './reported-text.ts'
import type { ResultType } from './result-type.ts'

export type PolicyType = 'sts' | 'tlsa' | 'no-policy-found'

/** The `policy` object of an entry (RFC 8460 §4.4); all its members together are the entry's key (RPT-64). */
export interface ReportedPolicy {
  readonly policyType: PolicyType
  readonly policyDomain: OwnerName
  /** Empty for `no-policy-found`, and where no policy could be had (RPT-26). */
  readonly policyString: readonly string[]
  /** Patterns of an MTA-STS policy (RPT-28). */
  readonly mxHost: readonly string[]
}

/** All members of a failure but its count: its key (RPT-65). */
export interface ReportedFailure {
  readonly resultType: ResultType
  readonly sendingMtaIp?: string
  readonly receivingMxHostname?: string
  readonly receivingMxHelo?: string
  readonly receivingIp?: string
  readonly failureReasonCode?: string
}

/** One session in the eyes of one policy; without failures it is a success. */
export interface CountedSession {
  readonly policy: ReportedPolicy
  readonly failures: readonly ReportedFailure[]
}

export interface SessionSeen {
  readonly policyDomain: DomainName
  readonly results: readonly SessionResult[]
  /** What an `sts` result was judged by. */
  readonly sts?: Pick<StsPolicy, 'lines' | 'mx'> | undefined
  /** The name in the MX record; undefined when no MX is concerned (RPT-33). */
  readonly mxHostname?: DomainName | undefined
  /** Undefined: none was made (RPT-32). */
  readonly connection?: SeenConnection | undefined
}

export interface SeenConnection {
  readonly localAddress?: string | undefined
  readonly remoteAddress: string
  /** The name that the host gave in its greeting or its reply to EHLO. */
  readonly helo?: string | undefined
}

export function countedSessions(seen: SessionSeen): readonly CountedSession[] {
  return seen.results.map((result) => ({ policy: policyOf(result, seen), failures: failuresOf(result, seen) }))
}

/** Where it happened is told of failures only, and most sessions have none. */
function failuresOf({ outcome }: SessionResult, seen: SessionSeen): readonly ReportedFailure[] {
  if (outcome.kind === 'success') return NO_FAILURES
  const place = placeOf(seen)
  return outcome.details.map((detail) => failureOf(detail, place))
}

const NO_FAILURES: readonly ReportedFailure[] = []

/** A failed fetch is a failed session of the `sts` policy that is in force, if any (RPT-49 to RPT-53). */
export function countedFetchFailure({ policyDomain, report, inForce }: PolicyFailureSeen): CountedSession {
  return { policy: stsPolicy(policyDomain, inForce), failures: [failureOf(report, {})] }
}

export type PolicyFailureSeen = Pick<PolicyFailure, 'policyDomain' | 'report'> & {
  readonly inForce: Pick<StsPolicy, 'lines' | 'mx'> | undefined
}

function policyOf(result: SessionResult, { policyDomain, sts }: SessionSeen): ReportedPolicy {
  switch (result.policyType) {
    case 'sts':
      invariant(sts !== undefined, 'a session that an MTA-STS policy judged knows the policy')
      return stsPolicy(policyDomain, sts)
    case 'tlsa':
      return {
        policyType: 'tlsa',
        policyDomain: result.policyDomain,
        // RPT-25: one text for one RRset, in whatever order it came.
        policyString: result.published.map((record) => tlsaText(record).toUpperCase()).toSorted(),
        mxHost: [],
      }
    case 'no-policy-found':
      return { policyType: 'no-policy-found', policyDomain, policyString: [], mxHost: [] }
    default:
      return assertNever(result)
  }
}

type PolicyText = Pick<StsPolicy, 'lines' | 'mx'>

/** A policy serves many sessions of its domain, and is written out once for all of them. */
const written = new WeakMap<PolicyText, ReportedPolicy>()

function stsPolicy(policyDomain: DomainName, policy: PolicyText | undefined): ReportedPolicy {
  const before = policy && written.get(policy)
  if (before?.policyDomain === policyDomain) return before
  const mxHost = policy?.mx.map(mxPatternText) ?? []
  const reported: ReportedPolicy = { policyType: 'sts', policyDomain, policyString: policy?.lines ?? [], mxHost }
  if (policy !== undefined) written.set(policy, reported)
  return reported
}

type Place = Omit<ReportedFailure, 'resultType' | 'failureReasonCode'>

function placeOf({ mxHostname, connection }: SessionSeen): Place {
  const sendingMtaIp = connection?.localAddress === undefined ? undefined : reportedAddress(connection.localAddress)
  const receivingIp = connection && reportedAddress(connection.remoteAddress)
  const receivingMxHelo = connection?.helo === undefined ? undefined : reportedHelo(connection.helo)
  return {
    ...(sendingMtaIp !== undefined && { sendingMtaIp }),
    ...(mxHostname !== undefined && { receivingMxHostname: mxHostname }),
    ...(receivingMxHelo !== undefined && { receivingMxHelo }),
    ...(receivingIp !== undefined && { receivingIp }),
  }
}

type Told = Pick<FailureDetail, 'failureReasonCode'> & { readonly resultType: ResultType }

function failureOf({ resultType, failureReasonCode }: Told, place: Place): ReportedFailure {
  const reason = failureReasonCode === undefined ? undefined : reportedReason(failureReasonCode)
  // RPT-44: a host that the policy does not name is reported by its name alone, also when it was connected to.
  const told = reason === 'sts-mx-mismatch' ? hostOf(place) : place
  return { resultType, ...told, ...(reason !== undefined && { failureReasonCode: reason }) }
}

function hostOf({ receivingMxHostname }: Place): Place {
  return receivingMxHostname === undefined ? {} : { receivingMxHostname }
}
