/**
 * The queue for moving mail in and out of it. The embedded one is opened alone, so no relay may run; the one in Redis is
 * opened beside whoever works on it: with this data_dir's journals when no relay has them, else by the side door.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { revealedBucket } from '../config/content-bucket.ts'
import { redisAddress } from '../config/redis-servers.ts'
import type { Config } from '../config/schema.ts'
import type { MovableQueue } from '../queue-move/export-queue.ts'
import { queueKeys } from '../redis/keys.ts'
import { mendSchedule } from '../schedule/adapters/bullmq-mend.ts'
import { openRedisSideDoor } from '../spool/adapters/redis-side-door.ts'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { joinedFindings, type MendReport } from '../spool/mend-report.ts'
import { DurabilityNews } from '../wiring/durability-news.ts'
import { Opening } from '../wiring/opening.ts'
import { openRedisQueue } from '../wiring/redis-engine.ts'
import { openRedisGround, QUEUE_NAME, type RedisQueueConfig } from '../wiring/redis-ground.ts'
import { describeRedisSpoolProblem, describeSpoolProblem } from './start-problem-text.ts'
import { UserError } from './verb.ts'

export interface OpenedMovableQueue extends MovableQueue {
  /** Compares everything that is derived from the messages with them, and mends it. */
  mend(order: { readonly fix: boolean }): Promise<MendReport>
  close(): Promise<void>
}

/** Undefined when there is no queue, and none is to be made. */
export async function openMovableQueue(
  { data_dir: dataDir, queue }: Pick<Config, 'data_dir' | 'queue'>,
  { create }: { readonly create: boolean },
): Promise<OpenedMovableQueue | undefined> {
  if (queue.engine === 'redis') return await openShared(dataDir, queue)
  if (!create && !existsSync(join(dataDir, 'spool.db'))) return undefined
  const opened = await openSqliteSpool({ dataDir, maxBytes: queue.max_bytes, emit: () => undefined })
  if (!opened.ok) throw new UserError(describeSpoolProblem(opened.error))
  const spool = opened.value
  const { admin, moves } = spool
  return { admin, moves, mend: (order) => spool.mend(order), close: () => spool.close() }
}

async function openShared(dataDir: string, queue: RedisQueueConfig): Promise<OpenedMovableQueue> {
  const opening = new Opening()
  const emit = (): void => undefined
  const durability = new DurabilityNews(queue.durability, emit)
  const alone = await openRedisQueue({ data_dir: dataDir }, { queue, opening, emit, durability })
  if (alone.ok) {
    const spool = alone.value
    const { admin, moves } = spool
    return withSchedule(queue, { admin, moves, mend: (order) => spool.mend(order), close: () => opening.close() })
  }
  await opening.abandon()
  if (alone.error.kind !== 'locked') throw new UserError(describeRedisSpoolProblem(alone.error))
  const beside = await openRedisSideDoor({
    ...{ dataDir, emit, queue: QUEUE_NAME, address: redisAddress(queue.redis, queueKeys(QUEUE_NAME).tag) },
    ...{ durability: queue.durability, contentDir: queue.content_dir, maxBytes: queue.max_bytes },
    bucket: queue.bucket === undefined ? undefined : revealedBucket(queue.bucket),
  })
  if (!beside.ok) throw new UserError(describeRedisSpoolProblem(beside.error))
  return withSchedule(queue, beside.value)
}

/** The spool's own indexes first: the lanes are then compared with what is true. */
function withSchedule(queue: RedisQueueConfig, opened: OpenedMovableQueue): OpenedMovableQueue {
  const mend: OpenedMovableQueue['mend'] = async (order) => {
    const spool = await opened.mend(order)
    const ground = await openRedisGround(queue)
    try {
      const schedule = await mendSchedule({ client: ground.client, keys: ground.keys, ...order })
      return { ...spool, findings: joinedFindings([...spool.findings, ...schedule]) }
    } finally {
      ground.close()
    }
  }
  return { ...opened, mend }
}
