/** What the Redis of the queue says of itself: asked as the relay asks it, over a connection of our own. */
import { redisAddress } from '../../config/redis-servers.ts'
import type { Config } from '../../config/schema.ts'
import { failsOver } from '../../redis/redis-address.ts'
import { redisPlace } from '../../redis/redis-place.ts'
import { RedisConnection } from '../../spool/adapters/redis-connection.ts'
import { durability, formatFinding } from '../../spool/adapters/redis-durability.ts'
import { gatherDurability, gatherMemory } from '../../spool/adapters/redis-server-facts.ts'
import type { RedisFacts } from './facts.ts'

const PINGS = 20

export async function redisFacts({ queue }: Pick<Config, 'queue'>): Promise<RedisFacts | undefined> {
  if (queue.engine !== 'redis') return undefined
  const address = redisAddress(queue.redis, 'hermetic-doctor')
  const place = redisPlace(address)
  let facts: RedisFacts = { kind: 'unreachable', place, detail: 'it says nothing' }
  const connection = new RedisConnection({
    ...{ address, key: 'hermetic-doctor', mono: () => performance.now(), onFailure: () => undefined },
    check: async (redis) => {
      const { kind: verdict, findings } = durability(
        await gatherDurability(redis, failsOver(address)),
        queue.durability,
      )
      const memory = await gatherMemory(redis)
      const answerMs: number[] = []
      for (let asked = 0; asked < PINGS; asked += 1) {
        const askedAt = performance.now()
        await redis.call('PING')
        answerMs.push(performance.now() - askedAt)
      }
      answerMs.sort((left, right) => left - right)
      const wanted = queue.durability
      facts = { kind: 'asked', place, verdict, wanted, findings: findings.map(formatFinding), memory, answerMs }
    },
  })
  try {
    await connection.open()
  } catch (error) {
    facts = { kind: 'unreachable', place, detail: error instanceof Error ? error.message : String(error) }
  } finally {
    connection.close()
  }
  return facts
}
