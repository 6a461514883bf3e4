/**
 * What a policy host serves now, for explanations: at most one fetch a minute for a domain, however often somebody
 * asks, and after a failure none for five minutes (RFC 8461 §3.3). What the source fetches for mail is remembered as
 * well, so that an explanation does not repeat it. Nothing that is found here is stored.
 */
import type { DomainName } from '../domain-name.ts'
import { BoundedMap } from '../mta-sts/bounded-map.ts'
import type { FetchedPolicy } from '../mta-sts/fetch.ts'
import { type PolicyFetchError, policyFetchReport } from '../mta-sts/fetch-error.ts'
import { BACK_OFF_MS } from '../mta-sts/freshness.ts'
import { assertNever, type Result } from '../result.ts'
import type { PolicyHostEvidence } from './facts.ts'

type Fetch = (policyDomain: DomainName) => Promise<Result<FetchedPolicy, PolicyFetchError>>
export type Examination = PolicyHostEvidence & { readonly kind: 'served' | 'failed' }

export interface PolicyExaminerOptions {
  readonly fetch: Fetch
  /** UTC milliseconds. */
  readonly now: () => number
}

const KEPT_MS = 60_000
/** A document and a chain each: some ten megabytes at the very worst. */
const REMEMBERED_MAX = 128

export class PolicyExaminer {
  readonly #options: PolicyExaminerOptions
  readonly #known = new BoundedMap<DomainName, Examination>(REMEMBERED_MAX)
  readonly #running = new Map<DomainName, Promise<Examination>>()

  constructor(options: PolicyExaminerOptions) {
    this.#options = options
  }

  /** In place of the fetch itself: asks, and remembers the end. */
  readonly fetch: Fetch = async (policyDomain) => {
    const at = this.#options.now()
    const fetched = await this.#options.fetch(policyDomain)
    if (fetched.ok) this.#known.set(policyDomain, served(fetched.value, at))
    // What our own limits prevented says nothing about the host.
    else if (policyFetchReport(fetched.error) !== undefined) {
      this.#known.set(policyDomain, { kind: 'failed', at, error: fetched.error })
    }
    return fetched
  }

  examine(policyDomain: DomainName): Promise<Examination> {
    const known = this.#known.get(policyDomain)
    if (known !== undefined && this.#options.now() - known.at < keptMs(known)) return Promise.resolve(known)
    const running = this.#running.get(policyDomain)
    if (running !== undefined) return running
    const examination = this.#examine(policyDomain).finally(() => this.#running.delete(policyDomain))
    this.#running.set(policyDomain, examination)
    return examination
  }

  async #examine(policyDomain: DomainName): Promise<Examination> {
    const at = this.#options.now()
    const fetched = await this.fetch(policyDomain)
    return fetched.ok ? served(fetched.value, at) : { kind: 'failed', at, error: fetched.error }
  }
}

function served({ policy, document: { address, peer, passedOver } }: FetchedPolicy, at: number): Examination {
  return { kind: 'served', at, policy, address, peer, passedOver }
}

function keptMs(known: Examination): number {
  switch (known.kind) {
    case 'served':
      return KEPT_MS
    case 'failed':
      return BACK_OFF_MS
    default:
      return assertNever(known)
  }
}
