/**
 * Adapter of `FetchLeases` in Redis, beside the shared policies: a key for each lease that ends by itself, on Redis' own
 * clock, and one for each failure. A deadline bounds every call.
 */
import { randomUUID } from 'node:crypto'
import type { DomainName } from '../domain-name.ts'
import type { PolicyFetchReport, PolicyFetchResultType } from '../mta-sts/fetch-error.ts'
import type { FailedLease, FetchLease, FetchLeases, FetchQuestion } from '../ports/fetch-leases.ts'
import { PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import { list } from './redis-policy-entry.ts'
import type { RedisScriptName, RedisScripts } from './redis-scripts.ts'

export interface RedisFetchLeasesOptions {
  readonly scripts: RedisScripts
  readonly leaseMs?: number
}

/** A little longer than a fetch may take (RFC 8461 §3.3), so that a lease outlives only its process. */
export const FETCH_LEASE_MS = 65_000
const RESULT_TYPES: readonly PolicyFetchResultType[] = [
  'sts-policy-fetch-error',
  'sts-webpki-invalid',
  'sts-policy-invalid',
]
/** The words of `policyFetchReport`. */
const REASON = /^[a-z0-9-]{1,64}$/

export class RedisFetchLeases implements FetchLeases {
  readonly #scripts: RedisScripts
  readonly #leaseMs: number

  constructor({ scripts, leaseMs = FETCH_LEASE_MS }: RedisFetchLeasesOptions) {
    this.#scripts = scripts
    this.#leaseMs = leaseMs
  }

  async take({ policyDomain, id }: FetchQuestion): Promise<FetchLease> {
    const token = randomUUID()
    const [kind, ms, type, reason] = list(await this.#run('fetch-lease', policyDomain, id, token, this.#leaseMs))
    if (kind === 'ours') return { kind, token }
    if (kind === 'theirs') return { kind }
    return { kind: 'failed', report: readReport(type, reason), retryInMs: Math.max(0, Number(ms)) }
  }

  async end(policyDomain: DomainName, token: string, failed?: FailedLease): Promise<void> {
    if (failed === undefined) {
      await this.#run('fetch-end', policyDomain, token)
      return
    }
    const { id, report, backOffMs } = failed
    await this.#run('fetch-end', policyDomain, token, id, report.resultType, report.failureReasonCode, backOffMs)
  }

  async #run(name: RedisScriptName, ...args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#scripts.run(name, ...args)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new PolicyCacheUnavailable(`the policy cache could not run ${name}: ${why}`, { cause })
    }
  }
}

function readReport(type: unknown, reason: unknown): PolicyFetchReport {
  const resultType = RESULT_TYPES.find((one) => one === type)
  if (resultType === undefined || !REASON.test(String(reason))) {
    throw new PolicyCacheUnavailable(`what holds off a fetch is damaged: ${String(type)}`)
  }
  return { resultType, failureReasonCode: String(reason) }
}
