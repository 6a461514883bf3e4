/**
 * Opens the spool on Redis (architecture §3): checks that the server keeps what it answers, replays what an earlier
 * run left unsettled before the first claim, and keeps watch while it is open. The one place where its parts meet.
 *
 * Of one process alone are the journals, in its data_dir; all processes of a queue share the server and the directory
 * of contents.
 */
import { join } from 'node:path'
import { err, ok, type Result } from '@hermetic/policy'
import { type QueueKeys, queueKeys } from '../../redis/keys.ts'
import { beginLife, type Life } from '../../redis/life.ts'
import { atKey, type RedisAddress } from '../../redis/redis-address.ts'
import { reserveBytes } from '../capacity.ts'
import { ClaimsJournal, readSuspects, type Suspect } from '../claims-journal.ts'
import { ContentStore, type Contents } from '../content-store.ts'
import { diskFree } from '../disk-free.ts'
import { errorCode, isErrno, makeDurableDirectory } from '../durable-file.ts'
import type { SpoolEvent } from '../events.ts'
import type { SpoolHooks } from '../faults.ts'
import { sweepOrphans } from '../orphan-sweep.ts'
import type { QueueId } from '../queue-id.ts'
import { ReserveFile } from '../reserve-file.ts'
import type { ClaimToken } from '../spool.ts'
import { StoreCondition } from '../store-condition.ts'
import type { StoreFailure } from '../store-failed.ts'
import type { SpoolStore } from '../store-protocol.ts'
import { type RecoveryParts, StoreRecovery } from '../store-recovery.ts'
import { monotonicNow, StoredSpool } from '../stored-spool.ts'
import { UnsettledJournal } from '../unsettled-journal.ts'
import { Watch } from '../watch.ts'
import { RedisConnection } from './redis-connection.ts'
import { type MarkedPlace, markedDirectory, ownContents } from './redis-content-owner.ts'
import { awayText, contentsAreThere, requireContents } from './redis-contents-there.ts'
import type { DurabilityVerdict } from './redis-durability.ts'
import { FaultyStore } from './redis-faults.ts'
import { checkServer, NotDurable, SCHEMA_VERSION } from './redis-server-check.ts'
import { gatherMemory } from './redis-server-facts.ts'
import { RedisStore } from './redis-store.ts'
import { S3Bucket, S3Failed, type S3Place } from './s3-bucket.ts'
import { markedBucket, S3Contents } from './s3-contents.ts'

/** Larger contents are files: they would fill the memory and the append-only file of the server (architecture §3). */
const INLINE_BYTES_MAX = 16 * 1024
const WATCH_MS = 1000
const SWEEP_INTERVAL_MS = 60 * 60 * 1000
const ASIDE_INTERVAL_MS = 60 * 1000
/** The settings of a server can be changed while it runs. */
const DURABILITY_INTERVAL_MS = 60 * 1000
/** A lease that nobody settled or released in this time was forgotten by its holder. */
const FORGOTTEN_LEASE_MS = 60 * 60 * 1000

export interface RedisSpoolOptions {
  readonly address: RedisAddress
  /** Relays with the same name on the same server share one queue. */
  readonly queue: string
  /** `strict` opens on a server only that loses nothing in a power cut; `relaxed` tells, and opens. */
  readonly durability: 'strict' | 'relaxed'
  /** Of this process alone: what could not be settled, and what was in flight. */
  readonly dataDir: string
  /** Of all processes of the queue: contents too large for the server. With a bucket: of this one alone, copies. */
  readonly contentDir: string
  readonly bucket?: S3Place | undefined
  /** `queue.max_bytes` */
  readonly maxBytes: number
  readonly emit: (event: SpoolEvent) => void
  /** Told at every connection. */
  readonly onDurability?: (verdict: DurabilityVerdict) => void
  /** Keep suspects with so many deaths in a row out of `claim` (`crash-suspects.ts`); absent: never. */
  readonly setAsideAfterDeaths?: number
  /** Of this process; absent: it has no former one. */
  readonly life?: Life
  /** Tests only. */
  readonly hooks?: SpoolHooks & { readonly time?: () => number; readonly durabilityMs?: number }
}

export type RedisSpoolOpenError =
  | { readonly kind: 'unusable-directory'; readonly path: string; readonly detail: string }
  /** Its files belong to messages of another queue, or the server lost ours: nothing there is touched. */
  | { readonly kind: 'foreign-content'; readonly path: string; readonly isBucket: boolean; readonly detail: string }
  /** The bucket of contents, whose place is named for people, and the code of what failed. */
  | { readonly kind: 'bucket'; readonly place: string; readonly code: string; readonly detail: string }
  | { readonly kind: 'newer-schema'; readonly found: number; readonly supported: number }
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** The server may lose what it answers, or cannot serve at all. */
  | { readonly kind: 'not-durable'; readonly findings: readonly string[] }

class Refused extends Error {
  readonly reason: RedisSpoolOpenError

  constructor(reason: RedisSpoolOpenError) {
    super(reason.kind)
    this.reason = reason
  }
}

/** What the parts share; `recovery` joins when everything that it repairs is there. */
export interface RedisSpoolGround {
  readonly options: RedisSpoolOptions
  readonly hooks: SpoolHooks
  readonly now: () => number
  readonly mono: () => number
  readonly keys: QueueKeys
  readonly condition: StoreCondition
  readonly connection: RedisConnection
  readonly reserve: ReserveFile
  readonly leases: Map<ClaimToken, number>
  /** Where contents are. */
  readonly place: MarkedPlace
  readonly bucket: S3Bucket | undefined
  /** Of our directory of contents, once it is known. */
  mark?: string
  /** Whether what is written counts only when a replica has it, too: as the server was judged last. */
  confirms: boolean
  recovery?: StoreRecovery
}

export async function openRedisSpool(options: RedisSpoolOptions): Promise<Result<StoredSpool, RedisSpoolOpenError>> {
  return await onRedisGround(options, build)
}

/** A server that will do, and a directory of contents that is the queue's; whatever is then built on them. */
export async function onRedisGround<T>(
  options: RedisSpoolOptions,
  buildOn: (ground: RedisSpoolGround, mark: string) => Promise<T>,
): Promise<Result<T, RedisSpoolOpenError>> {
  const ground = layGround(options)
  try {
    for (const path of [options.dataDir, options.contentDir]) await makeDirectory(path, ground.hooks)
    await ground.connection.open().catch((error: unknown) => {
      if (error instanceof NotDurable) throw new Refused({ kind: 'not-durable', findings: error.findings })
      throw new Refused({ kind: 'unreachable', detail: messageOf(error) })
    })
    const mark = await claimGround(ground)
    ground.mark = mark
    return ok(await buildOn(ground, mark))
  } catch (error) {
    ground.connection.close()
    if (error instanceof Refused) return err(error.reason)
    if (error instanceof S3Failed && ground.bucket !== undefined) {
      return err({ kind: 'bucket', place: ground.bucket.where, code: error.code, detail: error.detail })
    }
    return err({ kind: 'unreachable', detail: messageOf(error) })
  }
}

function layGround(options: RedisSpoolOptions): RedisSpoolGround {
  const { emit, maxBytes, hooks = {} } = options
  const mono = hooks.monotonicNow ?? monotonicNow
  const keys = queueKeys(options.queue)
  const bucket = options.bucket === undefined ? undefined : new S3Bucket(options.bucket)
  const ground: RedisSpoolGround = {
    options,
    hooks,
    now: options.hooks?.time ?? Date.now,
    mono,
    keys,
    condition: new StoreCondition(maxBytes, mono, emit),
    connection: new RedisConnection({
      address: atKey(options.address, keys.tag),
      key: `${keys.spool}ids`,
      mono,
      check: async (redis) => {
        ground.confirms = await checkServer(redis, { ...options, keys, mark: ground.mark })
      },
      confirms: () => ground.confirms,
      onFailure: (failure) => failed(ground, failure),
    }),
    reserve: new ReserveFile(join(options.dataDir, 'reserve'), reserveBytes(maxBytes)),
    leases: new Map(),
    bucket,
    place: bucket === undefined ? markedDirectory(options.contentDir, hooks) : markedBucket(bucket),
    confirms: false,
  }
  return ground
}

function failed(ground: RedisSpoolGround, { detail }: Pick<StoreFailure, 'detail'>): void {
  ground.condition.failed(detail)
  ground.recovery?.schedule()
}

/** A server that has become weaker is left at once; the next connection says what is wrong with it. */
async function judgeAgain(ground: RedisSpoolGround): Promise<void> {
  const { connection, options, keys, mark } = ground
  if (!connection.isUp) return
  try {
    ground.confirms = await checkServer(connection, { ...options, keys, mark })
  } catch (error) {
    if (error instanceof NotDurable) connection.drop(error.message)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function makeDirectory(path: string, hooks: SpoolHooks): Promise<void> {
  try {
    await makeDurableDirectory(path, hooks)
  } catch (error) {
    throw new Refused({ kind: 'unusable-directory', path, detail: errorCode(error) })
  }
}

/** Keys that a later version wrote are not touched; answers the mark of our directory of contents. */
async function claimGround({ options, connection, keys, place, bucket }: RedisSpoolGround): Promise<string> {
  await connection.call('SET', `${keys.spool}version`, String(SCHEMA_VERSION), 'NX')
  const found = Number(String(await connection.call('GET', `${keys.spool}version`)))
  if (found > SCHEMA_VERSION) throw new Refused({ kind: 'newer-schema', found, supported: SCHEMA_VERSION })
  // What version 1 wrote is read as it is: mail without a class of its own is normal mail.
  if (found < SCHEMA_VERSION) await connection.call('SET', `${keys.spool}version`, String(SCHEMA_VERSION))
  const { contentDir, queue } = options
  const owned = await ownContents(connection, { place, queue, key: `${keys.spool}owner` })
  if (!owned.ok) {
    const path = bucket?.where ?? contentDir
    throw new Refused({ kind: 'foreign-content', path, isBucket: bucket !== undefined, detail: owned.error })
  }
  return owned.value
}

async function build(ground: RedisSpoolGround, mark: string): Promise<StoredSpool> {
  const { options, hooks, connection, condition, leases, mono } = ground
  const { dataDir, emit } = options
  const contents = await prepareContents(ground)
  const { journal, ...left } = await UnsettledJournal.open(join(dataDir, 'unsettled.journal'), hooks)
  const claimsPath = join(dataDir, 'claims.journal')
  const named = readSuspects(claimsPath)
  const claimsJournal = new ClaimsJournal(claimsPath, named)
  const store = new RedisStore({
    connection,
    keys: ground.keys,
    journal: claimsJournal,
    life: options.life ?? beginLife(),
    mono,
    time: options.hooks?.time,
    onUsage: (usedBytes) => condition.space({ usedBytes }),
    onCommit: (commit) => emit({ event: 'spool-commit', ...commit }),
  })
  const link = withFaults(ground, store)
  const suspects = await stillThere(store, named)
  if (suspects.length > 0) emit({ event: 'spool-suspects-found', ids: suspects.map(({ id }) => id) })

  const watch = new Watch()
  const parts = {
    ...ground,
    emit,
    link,
    contents,
    suspects,
    acceptMs: hooks.acceptMs,
    takeBack: () => store.takeBack(),
  }
  const spool: StoredSpool = new StoredSpool({
    ...parts,
    onClose: async () => {
      watch.stop()
      await ground.recovery?.stop()
      // What waits in the journal stays ours, so that nobody sends it again before it is replayed.
      const free = [...leases.keys()].filter((token) => ground.recovery?.isUnsettled(token) !== true)
      if (connection.isUp && free.length > 0) await store.ask('release', { tokens: free }).catch(() => undefined)
      connection.close()
      claimsJournal.closeClean()
    },
  })
  ground.recovery = new StoreRecovery(recoveryParts(ground, spool, { link, contents, journal }), left)
  spool.recoverWith(ground.recovery)

  await setAside(ground, store, spool)
  await lookAfter(ground, store)
  if (left.entries.length > 0 || left.damagedLines > 0) {
    // Nothing is claimed before what an earlier run knew is in the store.
    condition.failed('unsettled outcomes of an earlier run')
    await ground.recovery.recover()
  }
  await restoreReserve(ground)
  keepWatch(ground, watch, { store, spool, contents, mark })
  return spool
}

export async function prepareContents(ground: RedisSpoolGround): Promise<Contents> {
  // What is in a bucket has copies there, which come and go.
  const isThere = async (): Promise<boolean> => ground.bucket !== undefined || (await contentsAreThere(ground))
  const place = { root: ground.options.contentDir, inlineBytesMax: INLINE_BYTES_MAX, isThere }
  // New contents are files of their own: one that cannot be made for want of a directory says that all of them are away.
  const detail = (error: unknown): string => (isErrno(error, 'ENOENT') ? awayText(ground) : errorCode(error))
  const contents = new ContentStore(place, ground.hooks, (error) => failed(ground, { detail: detail(error) }))
  await contents.prepare()
  const { bucket, now } = ground
  return bucket === undefined ? contents : new S3Contents(contents, bucket, now)
}

function withFaults(ground: RedisSpoolGround, store: RedisStore): SpoolStore {
  const { faults } = ground.hooks
  if (faults === undefined) return store
  return new FaultyStore({
    store,
    faults,
    dropConnection: (detail) => ground.connection.drop(detail),
    onFailure: (failure) => failed(ground, failure),
  })
}

async function stillThere(store: RedisStore, named: readonly Suspect[]): Promise<readonly Suspect[]> {
  const known = new Set(await store.ask('known', { ids: named.map(({ id }) => id) }))
  return named.filter(({ id }) => known.has(id))
}

function recoveryParts(
  ground: RedisSpoolGround,
  spool: StoredSpool,
  {
    link,
    contents,
    journal,
  }: { readonly link: SpoolStore; readonly contents: Contents; readonly journal: UnsettledJournal },
): RecoveryParts {
  const { connection, condition, options, leases, hooks, reserve } = ground
  return {
    ...{ link, journal, condition, emit: options.emit },
    probeIntervalMs: hooks.probeIntervalMs,
    ensureStore: async () => {
      if (!connection.isUp) throw new Error(`Redis: ${connection.detail}`)
      await requireContents(ground)
    },
    replaySettle: async ({ token, settlement }) => {
      await spool.settleInStore(token, settlement, true)
      if (settlement.keepClaim !== true) leases.delete(token)
    },
    replayVoid: async (ids) => {
      spool.forget(await link.ask('void', { ids }))
      await Promise.all(ids.map((id) => contents.discard(id)))
    },
    makeRoom: () => spool.makeRoom(),
    onRecovered: () => void restoreReserve({ condition, options, reserve }),
  }
}

async function setAside({ options }: RedisSpoolGround, store: RedisStore, spool: StoredSpool): Promise<void> {
  const { setAsideAfterDeaths: limit } = options
  const ids = spool.suspects
    .list()
    .filter(({ deaths }) => limit !== undefined && deaths >= limit)
    .map(({ id }) => id)
  await store.setAside(ids)
}

/** How much room the directory and the server have. */
export async function askRoom({ options, hooks, connection, condition }: RedisSpoolGround): Promise<void> {
  condition.space({ diskFreeBytes: await diskFree(options.contentDir, hooks) })
  if (connection.isUp) condition.space({ memory: await gatherMemory(connection) })
}

async function lookAfter(ground: RedisSpoolGround, store: RedisStore): Promise<void> {
  await askRoom(ground)
  if (ground.connection.isUp) await store.upkeep()
}

async function restoreReserve({
  condition,
  reserve,
  options,
}: Pick<RedisSpoolGround, 'condition' | 'reserve' | 'options'>): Promise<void> {
  if (condition.isFailing || !(await reserve.ensure(condition.diskFreeBytes).catch(() => false))) return
  options.emit({ event: 'spool-reserve-restored', bytes: reserveBytes(options.maxBytes) })
}

function keepWatch(
  ground: RedisSpoolGround,
  watch: Watch,
  {
    store,
    spool,
    contents,
    mark,
  }: {
    readonly store: RedisStore
    readonly spool: StoredSpool
    readonly contents: Contents
    readonly mark: string
  },
): void {
  const { now, mono, leases, options } = ground
  watch.every(WATCH_MS, async () => {
    await requireContents(ground).catch((error: unknown) => failed(ground, { detail: messageOf(error) }))
    await lookAfter(ground, store)
    await restoreReserve(ground)
    for (const [token, until] of leases) if (until < mono() - FORGOTTEN_LEASE_MS) leases.delete(token)
  })
  watch.every(ASIDE_INTERVAL_MS, () => setAside(ground, store, spool))
  const known = async (ids: readonly QueueId[]): Promise<ReadonlySet<QueueId>> =>
    new Set(await store.ask('known', { ids }))
  const onRemoved = (name: string): void => options.emit({ event: 'spool-orphan-removed', name })
  const sweep = async (): Promise<void> => {
    if (await ground.place.isMarked(mark)) await sweepOrphans({ contents, now, known, onRemoved })
  }
  watch.every(ground.options.hooks?.durabilityMs ?? DURABILITY_INTERVAL_MS, () => judgeAgain(ground))
  watch.every(SWEEP_INTERVAL_MS, sweep)
  watch.once(sweep)
}
