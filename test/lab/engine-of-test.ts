/**
 * The engine on which the worlds of the lab run: embedded, or, with `ENGINE_OF_TEST=redis`, Redis. So every
 * scenario is told once and holds on both (architecture §3). Real redis-servers, one for each directory that a world
 * names, which live until this process ends: a second relay on a data_dir finds what the first one left.
 */
import assert from 'node:assert/strict'
import { join, resolve } from 'node:path'
import { openSqlitePolicyCache, type PolicyCache, sharedPolicies } from '@hermetic/policy'
import { type DayTally, openSqliteResultStore, RedisResultStore } from '@hermetic/reporter'
import { createLocalPermits } from '../../packages/mta/src/limits/adapters/local-permits.ts'
import { openRedisPermits } from '../../packages/mta/src/limits/adapters/redis-permits.ts'
import type { LimitsEvent } from '../../packages/mta/src/limits/events.ts'
import type { Permits } from '../../packages/mta/src/limits/permits.ts'
import {
  connected,
  connectRedis,
  connectRedisForBullmq,
  type RedisClient,
} from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { createBullmqScheduler } from '../../packages/mta/src/schedule/adapters/bullmq-scheduler.ts'
import { createLocalScheduler } from '../../packages/mta/src/schedule/adapters/local-scheduler.ts'
import type { LaneWorkerEvent, ScheduleEvent } from '../../packages/mta/src/schedule/events.ts'
import type { LaneScheduler } from '../../packages/mta/src/schedule/lane-scheduler.ts'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { openSqliteSpool } from '../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import type { SpoolEvent } from '../../packages/mta/src/spool/events.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { QUEUE_NAME } from '../../packages/mta/src/wiring/redis-ground.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

export type TestEngine = 'embedded' | 'redis'

export type EngineEvent = SpoolEvent | ScheduleEvent | LaneWorkerEvent | LimitsEvent

export interface EngineOfTestOptions {
  readonly dataDir: string
  readonly permitsPerSite: number
  readonly emit: (event: EngineEvent) => void
}

export interface EngineOfTest {
  readonly spool: StoredSpool
  readonly scheduler: LaneScheduler
  readonly permits: Permits
  /** After the scheduler has stopped. */
  close(): Promise<void>
}

/** Small, so that the reserve that the spool keeps is small too. */
const SPOOL_BYTES = 64 * 1024 * 1024
const CONNECT_MS = 5_000
const QUEUE = 'world'

export function testEngine(): TestEngine {
  const name = process.env['ENGINE_OF_TEST'] ?? 'embedded'
  assert.ok(name === 'embedded' || name === 'redis', `ENGINE_OF_TEST is embedded or redis, not ${name}`)
  return name
}

export function openEngineOfTest(options: EngineOfTestOptions): Promise<EngineOfTest> {
  return testEngine() === 'redis' ? openOnRedis(options) : openEmbedded(options)
}

/** The spool alone, as an earlier run had it. */
export async function openSpoolOfTest({
  dataDir,
  emit,
}: Pick<EngineOfTestOptions, 'dataDir' | 'emit'>): Promise<StoredSpool> {
  const options = { dataDir, maxBytes: SPOOL_BYTES, setAsideAfterDeaths: 1, emit }
  const spool =
    testEngine() === 'redis'
      ? await openRedisSpool({
          ...options,
          address: { url: (await redisOf(dataDir)).socket },
          queue: QUEUE,
          durability: 'strict',
          contentDir: join(dataDir, 'content'),
        })
      : await openSqliteSpool(options)
  assert.ok(spool.ok, JSON.stringify(spool))
  return spool.value
}

/** Settings of a whole relay, with those that choose the engine. */
export async function onEngineOfTest(text: string, directory: string): Promise<string> {
  const settings = withThreadsOfTest(text)
  if (testEngine() === 'embedded' || /^engine *=/m.test(settings)) return settings
  const [, written = directory] = /^data_dir *= *"(.*)"$/m.exec(settings) ?? []
  const dataDir = resolve(directory, written)
  const choice = `engine = "redis"\nredis_url = "${(await redisOf(dataDir)).socket}"\ncontent_dir = "${dataDir}/content"`
  if (/^\[queue\]$/m.test(settings)) return settings.replace(/^\[queue\]$/m, `[queue]\n${choice}`)
  return `${settings}\n[queue]\n${choice}\n`
}

/** With `THREADS_OF_TEST=2` whole relays do their work in threads: their scenarios must not notice. */
function withThreadsOfTest(settings: string): string {
  const threads = process.env['THREADS_OF_TEST']
  return threads === undefined || /^threads *=/m.test(settings) ? settings : `threads = ${threads}\n${settings}`
}

/** The policies that a whole relay on this data_dir will find. */
export async function seedPolicies(dataDir: string, fill: (cache: PolicyCache) => Promise<void>): Promise<void> {
  const now = Date.now
  if (testEngine() === 'redis') {
    const client = connectRedis({ url: (await redisOf(dataDir)).socket })
    await connected(client, CONNECT_MS)
    await fill(sharedPolicies({ client, name: QUEUE_NAME, now, emit: () => undefined }).cache)
    client.disconnect()
    return
  }
  const opened = openSqlitePolicyCache({ dataDir, now })
  assert.ok(opened.ok, JSON.stringify(opened))
  await fill(opened.value)
  opened.value.close()
}

/** The results for reports that a whole relay on this data_dir will find. */
export async function seedResults(dataDir: string, tallies: readonly DayTally[]): Promise<void> {
  const now = Date.now
  if (testEngine() === 'redis') {
    const client = connectRedis({ url: (await redisOf(dataDir)).socket })
    await connected(client, CONNECT_MS)
    await new RedisResultStore({ client, name: QUEUE_NAME, now }).addBatch('seed', tallies)
    client.disconnect()
    return
  }
  const store = openSqliteResultStore({ dataDir, now })
  assert.ok(store.ok, JSON.stringify(store))
  await store.value.addBatch('seed', tallies)
  store.value.close()
}

async function openEmbedded({ dataDir, permitsPerSite, emit }: EngineOfTestOptions): Promise<EngineOfTest> {
  const spool = await openSpoolOfTest({ dataDir, emit })
  return {
    spool,
    scheduler: createLocalScheduler({ dueLanes: (query) => spool.dueLanes(query), now: Date.now, emit }),
    permits: createLocalPermits({ perSite: permitsPerSite }),
    close: () => spool.close(),
  }
}

async function openOnRedis({ dataDir, permitsPerSite, emit }: EngineOfTestOptions): Promise<EngineOfTest> {
  const spool = await openSpoolOfTest({ dataDir, emit })
  const url = (await redisOf(dataDir)).socket
  const clients: RedisClient[] = []
  const connect = async (): Promise<RedisClient> => {
    const client = connectRedis({ url })
    clients.push(client)
    await connected(client, CONNECT_MS)
    return client
  }
  const monotonic = (): number => performance.now()
  const keys = queueKeys(QUEUE)
  const scheduler = createBullmqScheduler({
    ...{ client: await connect(), keys, monotonic, emit, now: Date.now },
    connectForJobs: () => connectRedisForBullmq({ url }),
  })
  const permits = await openRedisPermits({
    ...{ client: await connect(), listener: await connect(), keys, monotonic, emit },
    limitsOf: () => ({ concurrency: permitsPerSite }),
  })
  return {
    ...{ spool, scheduler, permits },
    close: async () => {
      await permits.close()
      await spool.close()
      for (const client of clients) client.disconnect()
    },
  }
}

const servers = new Map<string, Promise<RedisServer>>()

/** The server of the relays on this data_dir. */
export function redisOf(directory: string): Promise<RedisServer> {
  const known = servers.get(directory)
  if (known !== undefined) return known
  const started = startRedis({ untilExit: true })
  servers.set(directory, started)
  return started
}
