/**
 * What the relays of one name share of policies in Redis: the cache, the leases of fetches, what is
 * remembered of DANE, and the orders of operators. The client belongs to whoever made it.
 */
import type { DaneMemory } from '../ports/dane-memory.ts'
import type { FetchLeases } from '../ports/fetch-leases.ts'
import type { PolicyCache } from '../ports/policy-cache.ts'
import { RedisDaneEnabled } from './redis-dane-enabled.ts'
import { RedisDaneMemory } from './redis-dane-memory.ts'
import { RedisFetchLeases } from './redis-fetch-leases.ts'
import { RedisPolicyCache, type RedisPolicyCacheOptions } from './redis-policy-cache.ts'
import { RedisPolicyOrders } from './redis-policy-orders.ts'
import { RedisScripts, type RedisScriptsOptions } from './redis-scripts.ts'

export interface SharedPoliciesOptions extends RedisScriptsOptions, Omit<RedisPolicyCacheOptions, 'scripts'> {
  readonly daneSubjectsMax?: number
  readonly leaseMs?: number
}

export interface SharedPolicies {
  readonly cache: PolicyCache
  readonly fetchLeases: FetchLeases
  readonly daneMemory: DaneMemory
  readonly daneEnabled: RedisDaneEnabled
  readonly orders: RedisPolicyOrders
}

export function sharedPolicies(options: SharedPoliciesOptions): SharedPolicies {
  const scripts = new RedisScripts(options)
  const { daneSubjectsMax: max, leaseMs } = options
  return {
    cache: new RedisPolicyCache({ ...options, scripts }),
    fetchLeases: new RedisFetchLeases({ scripts, ...(leaseMs === undefined ? {} : { leaseMs }) }),
    daneMemory: new RedisDaneMemory({ scripts, ...(max === undefined ? {} : { max }) }),
    daneEnabled: new RedisDaneEnabled(scripts),
    orders: new RedisPolicyOrders(scripts),
  }
}
