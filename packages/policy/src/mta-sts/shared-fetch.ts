/**
 * Before a fetch, where many processes share the cache: take its lease, or wait for what the one that has it stores
 * (STS-74). Whoever waited reads the cache; a failure of another process counts as ours, and is counted by it.
 */
import type { DomainName } from '../domain-name.ts'
import type { FetchLeases } from '../ports/fetch-leases.ts'
import { type CachedPolicy, type PolicyCache, PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import type { PolicyFetchReport } from './fetch-error.ts'
import { BACK_OFF_MS, isLive } from './freshness.ts'

export interface FetchSharing {
  readonly leases: FetchLeases
  /** Nobody waits any longer once it is aborted. */
  readonly signal: AbortSignal
  readonly pauseMs?: number
  readonly waitMs?: number
}

export interface SharedFetch {
  readonly policyDomain: DomainName
  readonly id: string
  /** What is to be replaced. */
  readonly inForce: CachedPolicy | undefined
  readonly cache: Pick<PolicyCache, 'get'>
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: EmitPolicyEvent
}

export type SharedLease =
  /** Fetch, store, and say so; never rejects. */
  | { readonly kind: 'fetch'; readonly end: (failed?: PolicyFetchReport) => Promise<void> }
  /** Another process has fetched it. */
  | { readonly kind: 'fetched'; readonly entry: CachedPolicy }
  | { readonly kind: 'failed'; readonly report: PolicyFetchReport; readonly until: number }
  | { readonly kind: 'stopping' }

/** How often one that waits asks; a policy host takes tens of milliseconds. */
const PAUSE_MS = 100
/** Longer than any lease lasts: then everything else is broken, and a fetch too many does no harm. */
const WAIT_MS = 70_000

const ALONE: SharedLease = { kind: 'fetch', end: async () => undefined }

export async function sharedLease(what: SharedFetch, sharing: FetchSharing): Promise<SharedLease> {
  try {
    return await waitForLease(what, sharing)
  } catch (error) {
    if (!(error instanceof PolicyCacheUnavailable)) throw error
    what.emit({ event: 'sts-cache-failed', operation: 'lease', detail: error.message })
    return ALONE
  }
}

async function waitForLease(what: SharedFetch, sharing: FetchSharing): Promise<SharedLease> {
  const { leases, signal, pauseMs = PAUSE_MS, waitMs = WAIT_MS } = sharing
  for (let pauses = Math.ceil(waitMs / pauseMs); pauses > 0; pauses -= 1) {
    if (signal.aborted) return { kind: 'stopping' }
    const lease = await leases.take(what)
    if (lease.kind === 'failed') return { kind: 'failed', report: lease.report, until: what.now() + lease.retryInMs }
    if (lease.kind === 'ours') return ourLease(what, { leases, token: lease.token })
    await pause(pauseMs, signal)
  }
  return ALONE
}

/** The one before us may have fetched while we asked or waited. */
async function ourLease(
  what: SharedFetch,
  { leases, token }: { readonly leases: FetchLeases; readonly token: string },
): Promise<SharedLease> {
  const { policyDomain, id, cache, now, inForce, emit } = what
  const end = async (report?: PolicyFetchReport): Promise<void> => {
    try {
      await leases.end(policyDomain, token, report && { id, report, backOffMs: BACK_OFF_MS })
    } catch (error) {
      if (!(error instanceof PolicyCacheUnavailable)) throw error
      emit({ event: 'sts-cache-failed', operation: 'lease', detail: error.message })
    }
  }
  const entry = await cache.get(policyDomain)
  if (entry === undefined || entry.id !== id || !isLive(entry, now())) return { kind: 'fetch', end }
  if (inForce !== undefined && entry.fetchedAt <= inForce.fetchedAt) return { kind: 'fetch', end }
  await end()
  return { kind: 'fetched', entry }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
  })
}
