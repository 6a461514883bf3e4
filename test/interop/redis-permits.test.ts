/** The permits of many processes, on a real redis-server. */
import { after, before } from 'node:test'
import { openRedisPermits, type RedisPermits } from '../../packages/mta/src/limits/adapters/redis-permits.ts'
import type { LimitsEvent } from '../../packages/mta/src/limits/events.ts'
import { permitsContract } from '../../packages/mta/src/limits/permits.contract.ts'
import type { SiteLimits } from '../../packages/mta/src/limits/permits.ts'
import { connectRedis } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

let redis: RedisServer
let queues = 0
before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

permitsContract(async (limits) => {
  queues += 1
  const { permits } = await node(`contract-${queues}`, limits)
  return { permits, [Symbol.asyncDispose]: () => permits.close() }
})

interface NodeOfTest {
  readonly permits: RedisPermits
  readonly events: readonly LimitsEvent[]
}

async function node(queue: string, limits: SiteLimits, leaseMs?: number): Promise<NodeOfTest> {
  const events: LimitsEvent[] = []
  const address = { url: redis.socket }
  const permits = await openRedisPermits({
    client: connectRedis(address),
    listener: connectRedis(address),
    keys: queueKeys(queue),
    limits,
    monotonic: () => performance.now(),
    emit: (event) => events.push(event),
    ...(leaseMs === undefined ? {} : { leaseMs }),
  })
  return { permits, events }
}
