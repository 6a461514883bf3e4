/**
 * Quotas that all relays of a queue share: one script takes from several at once, by the clock of Redis. A key is gone
 * when its owner has rested, so Redis holds only those who sent lately.
 */

import { runScript } from '@hermetic/policy/redis-script'
import type { RedisClient } from '../../redis/adapters/redis-connection.ts'
import type { QueueKeys } from '../../redis/keys.ts'
import { loadScript } from '../../redis/scripts.ts'
import type { QuotaAsk, Quotas } from '../quotas.ts'
import { intervalUs } from '../rate.ts'
import { longest } from './local-quotas.ts'

const TAKE = loadScript(import.meta.url, './redis-quotas-take.lua')

export interface RedisQuotasOptions {
  /** Of the caller, who closes it. */
  readonly client: RedisClient
  readonly keys: Pick<QueueKeys, 'tag'>
}

export function createRedisQuotas({ client, keys: { tag } }: RedisQuotasOptions): Quotas {
  return {
    take: async (asks) => {
      try {
        const answer = await runScript(client, TAKE, {
          keys: asks.map(({ key }) => `${tag}:quota:${key}`),
          args: asks.flatMap(({ rate, amount }: QuotaAsk) => [intervalUs(rate), rate.burst, amount]),
        })
        const waits = Array.isArray(answer) ? answer.map(Number) : []
        return longest(waits) ?? { kind: 'granted' }
      } catch (error) {
        return { kind: 'unavailable', detail: error instanceof Error ? error.message : String(error) }
      }
    },
  }
}
