/**
 * The engine of many relays: spool, lanes, permits and policies in one Redis (architecture §3). The data_dir stays
 * of one process: its journals say what this node could not settle.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { err, ok, type Result } from '@hermetic/policy'
import { revealedBucket } from '../config/content-bucket.ts'
import { redisAddress } from '../config/redis-servers.ts'
import type { Config } from '../config/schema.ts'
import { openRedisPermits, type RedisPermits } from '../limits/adapters/redis-permits.ts'
import { openNodeId } from '../nodes/node-id.ts'
import type { LogEvent } from '../observability/log-events.ts'
import { connected } from '../redis/adapters/redis-connection.ts'
import { queueKeys } from '../redis/keys.ts'
import { beginLife, type Life } from '../redis/life.ts'
import { redisTrouble } from '../redis/redis-trouble.ts'
import { type BullmqScheduler, createBullmqScheduler } from '../schedule/adapters/bullmq-scheduler.ts'
import { openRedisSpool, type RedisSpoolOpenError } from '../spool/adapters/redis-spool.ts'
import { type DirectoryLockError, lockDirectory } from '../spool/adapters/sqlite-directory-lock.ts'
import { errorCode } from '../spool/durable-file.ts'
import type { SpoolEvent } from '../spool/events.ts'
import type { StoredSpool } from '../spool/stored-spool.ts'
import { configuredLimits } from './configured-limits.ts'
import { openSharedDnssecMemory } from './dnssec-memory.ts'
import { DurabilityNews } from './durability-news.ts'
import type { Engine, EngineParts } from './engine.ts'
import { type Opening, wholeOrNothing } from './opening.ts'
import { sharedPolicyStore } from './policy-store.ts'
import { openRedisGround, QUEUE_NAME, type RedisGround, type RedisQueueConfig } from './redis-ground.ts'
import type { StartProblem } from './start-problem.ts'

export interface RedisEngineParts extends EngineParts {
  readonly queue: RedisQueueConfig
}

/** Of the engine that this one is chosen instead of. */
const EMBEDDED_QUEUE = 'spool.db'
/** A permit or a turn is a few of them; the first connection is waited for no longer than this. */
const CONNECT_MS = 5_000

export function openRedisEngine(config: Config, parts: RedisEngineParts): Promise<Result<Engine, StartProblem>> {
  return wholeOrNothing((opening) => opened(config, { ...parts, opening }))
}

async function opened(
  config: Config,
  { queue, emit, opening, ...parts }: RedisEngineParts & { readonly opening: Opening },
): Promise<Result<Engine, StartProblem>> {
  const durability = new DurabilityNews(queue.durability, emit)
  const embedded = join(config.data_dir, EMBEDDED_QUEUE)
  if (existsSync(embedded)) emit({ event: 'spool-left-behind', path: embedded })
  let life = beginLife()
  const beginOwnLife = async (): Promise<Life> => {
    life = await lifeOf(config)
    return life
  }
  const spool = await openRedisQueue(config, { ...parts, queue, opening, emit, durability, beginLife: beginOwnLife })
  if (!spool.ok) return err({ kind: 'redis-spool', error: spool.error })
  const ground = await openRedisGround(queue)
  opening.closesWith(() => ground.close())
  const scheduler = await openScheduler(ground, { life, emit })
  // Long stopped, unless the start ended before anybody ran it.
  opening.closesWith(() => scheduler.stop(0))
  const limits = configuredLimits(config)
  const permits = await openRedisPermits({
    ...{ client: ground.connect(), listener: ground.connect(), keys: ground.keys, life, emit },
    limitsOf: (site) => limits.limitsOf(site),
    monotonic: () => performance.now(),
  })
  opening.closesWith(() => permits.close())
  const policies = ground.sharedPolicies(emit)
  return ok({
    ...{ spool: spool.value, staging: spool.value.staging, scheduler, permits, shared: ground },
    openPolicies: () => ok(sharedPolicyStore(policies)),
    openDnssecMemory: () => openSharedDnssecMemory(policies.daneEnabled, emit),
    state: () => ({ engine: 'redis', scheduling: scheduler.trouble(), weakness: durability.weakness }),
    takeBack: () => takeBack({ life, spool: spool.value, scheduler, permits, emit }),
    close: () => opening.close(),
  })
}

/** Whoever joins the nodes tells what is wrong with the id. */
async function lifeOf({ data_dir: dataDir }: Pick<Config, 'data_dir'>): Promise<Life> {
  return beginLife(await openNodeId(dataDir).catch(() => undefined))
}

interface HeldByLives {
  readonly life: Life
  readonly spool: Pick<StoredSpool, 'takeBack'>
  readonly scheduler: Pick<BullmqScheduler, 'takeBack'>
  readonly permits: Pick<RedisPermits, 'takeBack'>
  readonly emit: (event: LogEvent) => void
}

/** Turns last: whoever is then given one of their lanes finds its deliveries, and permits. */
async function takeBack({ life, spool, permits, scheduler, emit }: HeldByLives): Promise<void> {
  try {
    const held = {
      permits: await permits.takeBack(),
      deliveries: await spool.takeBack(),
      lanes: await scheduler.takeBack(),
    }
    if (Object.values(held).every((count) => count === 0)) return
    emit({ event: 'former-life-ended', nodeId: life.node, ...held })
  } catch (error) {
    // All of it has leases, which end by themselves.
    emit({ event: 'former-life-unknown', nodeId: life.node, detail: redisTrouble(error) })
  }
}

async function openScheduler(
  ground: RedisGround,
  { life, emit }: { readonly life: Life; readonly emit: (event: LogEvent) => void },
): Promise<BullmqScheduler> {
  const client = ground.connect()
  await connected(client, CONNECT_MS)
  return createBullmqScheduler({
    ...{ client, keys: ground.keys, life, emit },
    connectForJobs: () => ground.connectForBullmq(),
    now: Date.now,
    monotonic: () => performance.now(),
  })
}

export interface RedisQueueParts {
  readonly queue: RedisQueueConfig
  readonly opening: Opening
  readonly emit: (event: SpoolEvent) => void
  readonly durability: DurabilityNews
  readonly setAsideAfterDeaths?: number
  /** Told once the data_dir is ours; absent: this process has no former one. */
  readonly beginLife?: () => Promise<Life>
  readonly hooks?: EngineParts['hooks']
}

/** The queue alone, with its data_dir locked; closed with `opening`. */
export async function openRedisQueue(
  { data_dir: dataDir }: Pick<Config, 'data_dir'>,
  { queue, opening, emit, durability, setAsideAfterDeaths, hooks, ...parts }: RedisQueueParts,
): Promise<Result<StoredSpool, RedisSpoolOpenError | DirectoryLockError>> {
  try {
    mkdirSync(dataDir, { recursive: true, mode: DIRECTORY_MODE })
  } catch (error) {
    return err({ kind: 'unusable-directory', path: dataDir, detail: errorCode(error) })
  }
  const lock = lockDirectory(dataDir)
  if (!lock.ok) return lock
  opening.closesWith(() => lock.value.release())
  const life = (await parts.beginLife?.()) ?? beginLife()
  const spool = await openRedisSpool({
    ...{ dataDir, life, emit },
    address: redisAddress(queue.redis, queueKeys(QUEUE_NAME).tag),
    queue: QUEUE_NAME,
    durability: queue.durability,
    contentDir: queue.content_dir,
    bucket: queue.bucket === undefined ? undefined : revealedBucket(queue.bucket),
    maxBytes: queue.max_bytes,
    onDurability: (verdict) => durability.judged(verdict),
    ...(setAsideAfterDeaths === undefined ? {} : { setAsideAfterDeaths }),
    ...(hooks === undefined ? {} : { hooks }),
  })
  if (spool.ok) opening.closesWith(() => spool.value.close())
  return spool
}

const DIRECTORY_MODE = 0o700
