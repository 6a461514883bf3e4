/**
 * What an operator may do with cached policies: look, fetch again, throw away (RFC 8461 §10.3: a hostile policy may
 * have been given a long life). Every purge is told; by whom is the word of whoever asks.
 */
import type { DomainName } from '../domain-name.ts'
import { type PolicyCache, PolicyCacheUnavailable, type StoredPolicy } from '../ports/policy-cache.ts'
import type { StsMode } from './policy-file.ts'
import type { PolicyPurge } from './purge.ts'
import type { Renewed, StsSource } from './source.ts'

export interface PolicyAdmin {
  list(page: { readonly after?: DomainName; readonly limit: number }): Promise<readonly StoredPolicy[]>
  show(policyDomain: DomainName): Promise<StoredPolicy | undefined>
  /** Undefined when nothing was cached. */
  purge(policyDomain: DomainName, by: string): Promise<PolicyPurge | undefined>
  /** `not-running`: nobody is there who could fetch. */
  refresh(policyDomain: DomainName): Promise<Renewed | { readonly kind: 'not-running' }>
}

export interface PolicyAdminOptions {
  readonly cache: Pick<PolicyCache, 'get' | 'list' | 'remove'>
  /** Absent: only the cache is at hand. */
  readonly source?: Pick<StsSource, 'renew'>
  /** UTC milliseconds. */
  readonly now: () => number
  /** Waited for: where nobody logs, it is noted for somebody who does. */
  readonly tell: (purge: PolicyPurge) => void | Promise<void>
}

export function createPolicyAdmin({ cache, source, now, tell }: PolicyAdminOptions): PolicyAdmin {
  return {
    list: (page) => cache.list(page),
    show: (policyDomain) => cache.get(policyDomain),
    refresh: async (policyDomain) => source?.renew(policyDomain) ?? { kind: 'not-running' },
    purge: async (policyDomain, by) => {
      const mode = await modeOf(cache, policyDomain)
      if (!(await cache.remove(policyDomain))) return undefined
      const purge = { policyDomain, mode, by, at: now() }
      await tell(purge)
      return purge
    },
  }
}

/** An entry that cannot be read is one more reason to throw it away. */
async function modeOf(cache: Pick<PolicyCache, 'get'>, policyDomain: DomainName): Promise<StsMode | undefined> {
  try {
    return (await cache.get(policyDomain))?.policy.mode
  } catch (error) {
    if (error instanceof PolicyCacheUnavailable) return undefined
    throw error
  }
}
