/**
 * What the relays of one name share of policies in Redis: the cache, whose turn it is to fetch, the memory of
 * DANE, and the orders of operators. The client belongs to whoever made it.
 */
import type { DaneMemory } from '../ports/dane-memory.ts'
import type { FetchTurns } from '../ports/fetch-turns.ts'
import type { PolicyCache } from '../ports/policy-cache.ts'
import { RedisDaneEnabled } from './redis-dane-enabled.ts'
import { RedisDaneMemory } from './redis-dane-memory.ts'
import { RedisFetchTurns } from './redis-fetch-turns.ts'
import { RedisPolicyCache, type RedisPolicyCacheOptions } from './redis-policy-cache.ts'
import { RedisPolicyOrders } from './redis-policy-orders.ts'
import { RedisScripts, type RedisScriptsOptions } from './redis-scripts.ts'

export interface SharedPoliciesOptions extends RedisScriptsOptions, Omit<RedisPolicyCacheOptions, 'scripts'> {
  readonly daneSubjectsMax?: number
  readonly turnMs?: number
}

export interface SharedPolicies {
  readonly cache: PolicyCache
  readonly turns: FetchTurns
  readonly daneMemory: DaneMemory
  readonly daneEnabled: RedisDaneEnabled
  readonly orders: RedisPolicyOrders
}

export function sharedPolicies(options: SharedPoliciesOptions): SharedPolicies {
  const scripts = new RedisScripts(options)
  const { daneSubjectsMax: max, turnMs } = options
  return {
    cache: new RedisPolicyCache({ ...options, scripts }),
    turns: new RedisFetchTurns({ scripts, ...(turnMs === undefined ? {} : { turnMs }) }),
    daneMemory: new RedisDaneMemory({ scripts, ...(max === undefined ? {} : { max }) }),
    daneEnabled: new RedisDaneEnabled(scripts),
    orders: new RedisPolicyOrders(scripts),
  }
}
