/**
 * An operator's wake from a process that gives no turns: the lanes back off no more and are due, for whichever node
 * looks first. What a take does with a wake (`bullmq-due-take.lua`), without taking.
 */
import type { LaneId } from '../../delivery/lane.ts'
import type { RedisClient } from '../../redis/adapters/redis-connection.ts'
import type { QueueKeys } from '../../redis/keys.ts'

const LANES_AT_ONCE = 1_000

export async function wakeByOperator(
  client: Pick<RedisClient, 'multi' | 'time'>,
  { backoff, due }: Pick<QueueKeys, 'backoff' | 'due'>,
  lanes: readonly LaneId[],
): Promise<void> {
  const [seconds = 0, micros = 0] = await client.time()
  const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  for (let start = 0; start < lanes.length; start += LANES_AT_ONCE) {
    const some = lanes.slice(start, start + LANES_AT_ONCE)
    const entries = some.flatMap((lane) => [now, lane])
    await client
      .multi()
      .hdel(backoff, ...some)
      .zadd(due, 'LT', ...entries)
      .exec()
  }
}
