/**
 * A lane scheduler on Redis for tests, and the part of the spool that it reads: the due deliveries of each lane and
 * the `due` set that accept and settle lower.
 */
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import {
  connected,
  connectRedis,
  connectRedisForBullmq,
} from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import {
  type BullmqScheduler,
  type BullmqSchedulerLimits,
  createBullmqScheduler,
} from '../../packages/mta/src/schedule/adapters/bullmq-scheduler.ts'
import type { LaneWorkerEvent, ScheduleEvent } from '../../packages/mta/src/schedule/events.ts'
import type { SpoolOfTest } from '../../packages/mta/src/schedule/lane-scheduler.fixture.ts'

const START_MS = 5_000

export interface ScheduleOfTest {
  readonly scheduler: BullmqScheduler
  readonly events: readonly (ScheduleEvent | LaneWorkerEvent)[]
}

export async function openScheduler(
  url: string,
  queue: string,
  { limits = {}, jobsUrl = url }: { readonly limits?: Partial<BullmqSchedulerLimits>; readonly jobsUrl?: string } = {},
): Promise<ScheduleOfTest> {
  const events: (ScheduleEvent | LaneWorkerEvent)[] = []
  const client = connectRedis({ url })
  await connected(client, START_MS)
  const scheduler = createBullmqScheduler({
    client,
    connectForJobs: () => connectRedisForBullmq({ url: jobsUrl }),
    keys: queueKeys(queue),
    now: () => Date.now(),
    monotonic: () => performance.now(),
    emit: (event) => events.push(event),
    limits,
  })
  return { scheduler, events }
}

/** One delivery per lane, as far as the scheduler can see. */
export async function spoolOf(url: string, queue: string): Promise<SpoolOfTest & AsyncDisposable> {
  const client = connectRedis({ url })
  await connected(client, START_MS)
  const keys = queueKeys(queue)
  return {
    put: async (lane: LaneId, dueAt: number) => {
      await client.multi().zadd(keys.laneDue(lane), dueAt, 'one').zadd(keys.due, 'LT', dueAt, lane).exec()
    },
    clear: async (lane: LaneId) => void (await client.del(keys.laneDue(lane))),
    failOnce: async () => void (await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')),
    [Symbol.asyncDispose]: async () => client.disconnect(),
  }
}
