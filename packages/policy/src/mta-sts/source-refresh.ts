/**
 * What one background refresh does with a cached policy, and when somebody must be told (RFC 8461 §3.3, §10.2): each
 * failure, once when they repeat, and once when no further try will come before the end. Never for mode `none`.
 */
import {
  type PolicyCache,
  PolicyCacheUnavailable,
  type RefreshPostponement,
  type StoredPolicy,
} from '../ports/policy-cache.ts'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import { assertNever } from '../result.ts'
import type { PolicyFetchReport } from './fetch-error.ts'
import { type Course, expiresAt, refreshDelayMs } from './freshness.ts'
import type { StsPolicy } from './policy-file.ts'
import { type RecordAnswer, type RecordTrouble, recordTrouble } from './record-lookup.ts'
import type { PolicyFailure } from './source-facts.ts'
import type { FetchEnd } from './source-fetch.ts'

export type Refreshed =
  | { readonly kind: 'fetched'; readonly trouble: TroubledRecord | undefined }
  | {
      readonly kind: 'failed'
      readonly trouble: TroubledRecord | undefined
      /** For reports; undefined when it does not count, or when somebody else counts it. */
      readonly uncounted: PolicyFailure | undefined
    }
  /** Later, or not at all: expired meanwhile, within the back-off, a `none` without a record, no turn. */
  | { readonly kind: 'not-tried' }
  | { readonly kind: 'unavailable' }

/** What a report says of a record while a policy is cached (RFC 8460 §4.3.2.2): once in each cycle of refreshes. */
export interface TroubledRecord {
  readonly reason: RecordTrouble
  /** The policy that was in force meanwhile. */
  readonly inForce: StsPolicy
}

export interface RefreshWork {
  readonly gathered: { readonly cached: StoredPolicy | undefined; readonly record: RecordAnswer }
  readonly course: Course
  readonly fetch: () => Promise<FetchEnd & { readonly uncounted: PolicyFailure | undefined }>
  readonly cache: Pick<PolicyCache, 'postponeRefresh'>
  readonly now: () => number
  readonly random: () => number
  readonly emit: EmitPolicyEvent
}

/** RFC 8461 §3.3 leaves the number open: three failed days of a policy that is refreshed once a day. */
const ALARM_AFTER = 3

export async function refreshPolicy(work: RefreshWork): Promise<Refreshed> {
  const { gathered, course, now } = work
  const { cached, record } = gathered
  if (cached === undefined) return { kind: 'not-tried' }
  if (course.kind !== 'fetch') {
    const refreshAt = course.kind === 'wait' ? course.until : now() + refreshDelayMs(cached.policy, work.random)
    await postpone(work, cached, { refreshAt })
    return { kind: 'not-tried' }
  }
  const reason = cached.policy.mode === 'none' ? undefined : recordTrouble(record)
  if (reason !== undefined) work.emit({ event: 'sts-record-trouble', ...named(cached), reason })
  const trouble = reason && { reason, inForce: cached.policy }
  const end = await work.fetch()
  switch (end.kind) {
    case 'fetched':
      return { kind: 'fetched', trouble }
    case 'failed':
      await countFailure(work, cached, end.report)
      return { kind: 'failed', trouble, uncounted: course.failureCounts ? end.uncounted : undefined }
    case 'not-tried':
      return { kind: 'not-tried' }
    default:
      return assertNever(end)
  }
}

async function countFailure(
  work: RefreshWork,
  cached: StoredPolicy,
  { resultType, failureReasonCode }: PolicyFetchReport,
): Promise<void> {
  const at = work.now()
  const refreshAt = at + refreshDelayMs(cached.policy, work.random)
  const failure = { at, reason: `${resultType}: ${failureReasonCode}` }
  const failedRefreshes = await postpone(work, cached, { refreshAt, failure })
  if (failedRefreshes === undefined || cached.policy.mode === 'none') return
  if (failedRefreshes === ALARM_AFTER) work.emit({ event: 'sts-refresh-alarm', ...named(cached), failedRefreshes })
  if (refreshAt >= expiresAt(cached)) work.emit({ event: 'sts-policy-expiring', ...named(cached) })
}

async function postpone(
  { cache, emit }: RefreshWork,
  { policyDomain, fetchedAt }: StoredPolicy,
  postponement: Omit<RefreshPostponement, 'fetchedAt'>,
): Promise<number | undefined> {
  try {
    return await cache.postponeRefresh(policyDomain, { fetchedAt, ...postponement })
  } catch (error) {
    if (!(error instanceof PolicyCacheUnavailable)) throw error
    emit({ event: 'sts-cache-failed', operation: 'postpone', detail: error.message })
    return undefined
  }
}

function named(cached: StoredPolicy) {
  return { policyDomain: cached.policyDomain, mode: cached.policy.mode, expiresAt: expiresAt(cached) }
}
