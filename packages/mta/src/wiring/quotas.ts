/** Where quotas are counted: with the other relays when there are any, else in this process. */
import { createLocalQuotas } from '../limits/adapters/local-quotas.ts'
import { createRedisQuotas } from '../limits/adapters/redis-quotas.ts'
import type { Quotas } from '../limits/quotas.ts'
import type { RedisGround } from './redis-ground.ts'

/** What is needed of the engine. */
export interface QuotaGround {
  readonly shared?: Pick<RedisGround, 'client' | 'keys'>
}

export function quotasOn({ shared }: QuotaGround): Quotas {
  return shared === undefined ? createLocalQuotas() : createRedisQuotas(shared)
}
