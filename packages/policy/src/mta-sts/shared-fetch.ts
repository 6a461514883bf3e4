/**
 * Before a fetch, where many processes share the cache: take the turn, or wait for what the one that has it stores
 * (STS-74). Whoever waited reads the cache; a failure of another process counts as ours, and is counted by it.
 */
import type { DomainName } from '../domain-name.ts'
import type { FetchTurns } from '../ports/fetch-turns.ts'
import { type CachedPolicy, type PolicyCache, PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import type { PolicyFetchReport } from './fetch-error.ts'
import { BACK_OFF_MS, isLive } from './freshness.ts'

export interface FetchSharing {
  readonly turns: FetchTurns
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

export type SharedTurn =
  /** Fetch, store, and say so; never rejects. */
  | { readonly kind: 'fetch'; readonly end: (failed?: PolicyFetchReport) => Promise<void> }
  /** Another process has fetched it. */
  | { readonly kind: 'fetched'; readonly entry: CachedPolicy }
  | { readonly kind: 'failed'; readonly report: PolicyFetchReport; readonly until: number }
  | { readonly kind: 'stopping' }

/** How often one that waits asks; a policy host takes tens of milliseconds. */
const PAUSE_MS = 100
/** Longer than any turn lasts: then everything else is broken, and a fetch too many does no harm. */
const WAIT_MS = 70_000

const ALONE: SharedTurn = { kind: 'fetch', end: async () => undefined }

export async function sharedTurn(what: SharedFetch, sharing: FetchSharing): Promise<SharedTurn> {
  try {
    return await waitForTurn(what, sharing)
  } catch (error) {
    if (!(error instanceof PolicyCacheUnavailable)) throw error
    what.emit({ event: 'sts-cache-failed', operation: 'turn', detail: error.message })
    return ALONE
  }
}

async function waitForTurn(what: SharedFetch, sharing: FetchSharing): Promise<SharedTurn> {
  const { turns, signal, pauseMs = PAUSE_MS, waitMs = WAIT_MS } = sharing
  for (let pauses = Math.ceil(waitMs / pauseMs); pauses > 0; pauses -= 1) {
    if (signal.aborted) return { kind: 'stopping' }
    const turn = await turns.take(what)
    if (turn.kind === 'failed') return { kind: 'failed', report: turn.report, until: what.now() + turn.retryInMs }
    if (turn.kind === 'ours') return ourTurn(what, { turns, token: turn.token })
    await pause(pauseMs, signal)
  }
  return ALONE
}

/** The one before us may have fetched while we asked or waited. */
async function ourTurn(
  what: SharedFetch,
  { turns, token }: { readonly turns: FetchTurns; readonly token: string },
): Promise<SharedTurn> {
  const { policyDomain, id, cache, now, inForce, emit } = what
  const end = async (report?: PolicyFetchReport): Promise<void> => {
    try {
      await turns.end(policyDomain, token, report && { id, report, backOffMs: BACK_OFF_MS })
    } catch (error) {
      if (!(error instanceof PolicyCacheUnavailable)) throw error
      emit({ event: 'sts-cache-failed', operation: 'turn', detail: error.message })
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
