/**
 * Opens the embedded spool on a data_dir: locks it, replays what an earlier run left unsettled before the first
 * claim, and keeps watch over the disk while it is open. The one place where its parts meet.
 */
import { randomBytes } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { err, ok, type Result } from '@hermetic/policy'
import { reserveBytes } from '../capacity.ts'
import { ContentStore } from '../content-store.ts'
import type { Suspect } from '../crash-suspects.ts'
import { diskFree } from '../disk-free.ts'
import { errorCode, fsyncDirectory, makeDurableDirectory } from '../durable-file.ts'
import type { SpoolEvent } from '../events.ts'
import type { SpoolHooks } from '../faults.ts'
import { sweepOrphans } from '../orphan-sweep.ts'
import type { QueueId } from '../queue-id.ts'
import { ReserveFile } from '../reserve-file.ts'
import type { ClaimToken } from '../spool.ts'
import { StoreCondition } from '../store-condition.ts'
import { type RecoveryParts, StoreRecovery } from '../store-recovery.ts'
import { monotonicNow, StoredSpool } from '../stored-spool.ts'
import { UnsettledJournal } from '../unsettled-journal.ts'
import { Watch } from '../watch.ts'
import type { StoreStart } from './sqlite-protocol.ts'
import type { SpoolOpenError } from './sqlite-schema.ts'
import { StoreLink } from './sqlite-store-link.ts'

/** Measured: below this SQLite is faster than file, fsync, rename and directory fsync; above, a file is. */
const INLINE_BYTES_MAX = 256 * 1024
const DISK_WATCH_MS = 1000
const SWEEP_INTERVAL_MS = 60 * 60 * 1000
/** A lease that nobody settled or released in this time was forgotten by its holder. */
const FORGOTTEN_LEASE_MS = 60 * 60 * 1000

export interface SqliteSpoolOptions {
  readonly dataDir: string
  /** `queue.max_bytes` */
  readonly maxBytes: number
  /** UTC milliseconds; the clock of due times and of the sweep. */
  readonly now?: () => number
  readonly emit: (event: SpoolEvent) => void
  /** Keep suspects with so many deaths in a row out of `claim` (`crash-suspects.ts`); absent: never. */
  readonly setAsideAfterDeaths?: number
  /** Tests only. */
  readonly hooks?: SpoolHooks
}

/**
 * Directories that this thread has open. SQLite's lock keeps other processes out, but POSIX drops a process' locks
 * when it closes any descriptor of the file, so a second opening here must stop before it touches the file.
 */
const openDirectories = new Set<string>()

export async function openSqliteSpool(options: SqliteSpoolOptions): Promise<Result<StoredSpool, SpoolOpenError>> {
  let path: string
  try {
    await makeDurableDirectory(options.dataDir, options.hooks ?? {})
    path = await realpath(options.dataDir)
  } catch (error) {
    return err({ kind: 'unusable-directory', path: options.dataDir, detail: errorCode(error) })
  }
  if (openDirectories.has(path)) return err({ kind: 'locked', path: join(path, 'spool.db') })
  openDirectories.add(path)
  try {
    const opened = await openLocked(path, options)
    if (!opened.ok) openDirectories.delete(path)
    return opened
  } catch (error) {
    openDirectories.delete(path)
    return err({ kind: 'store-failed', path, detail: String(error) })
  }
}

/** What the parts share; `recovery` joins when everything that it repairs is there. */
interface Ground {
  readonly dataDir: string
  readonly now: () => number
  readonly mono: () => number
  readonly emit: (event: SpoolEvent) => void
  readonly hooks: SpoolHooks
  readonly condition: StoreCondition
  readonly reserve: ReserveFile
  readonly reserveBytes: number
  readonly leases: Map<ClaimToken, number>
  readonly link: StoreLink
  readonly start: StoreStart
  recovery?: StoreRecovery
}

async function openLocked(dataDir: string, options: SqliteSpoolOptions): Promise<Result<StoredSpool, SpoolOpenError>> {
  const ground = layGround(dataDir, options)
  const started = await ground.link.start(ground.start)
  if (!started.ok) return started
  try {
    return ok(await build(ground, started.value))
  } catch (error) {
    await ground.link.close()
    throw error
  }
}

function layGround(dataDir: string, options: SqliteSpoolOptions): Ground {
  const { emit, maxBytes, hooks = {}, now = Date.now } = options
  const mono = hooks.monotonicNow ?? monotonicNow
  const condition = new StoreCondition(maxBytes, mono, emit)
  const link = new StoreLink({
    now,
    mono,
    onUsage: (usage) => condition.space(usage),
    onCommit: (commit) => emit({ event: 'spool-commit', ...commit }),
    onFailure: ({ detail }) => failed(ground, detail),
  })
  const ground: Ground = {
    ...{ dataDir, now, mono, emit, hooks, condition, link },
    reserve: new ReserveFile(join(dataDir, 'reserve'), reserveBytes(maxBytes)),
    reserveBytes: reserveBytes(maxBytes),
    leases: new Map(),
    start: storeStart(dataDir, options),
  }
  return ground
}

function failed(ground: Ground, detail: string): void {
  ground.condition.failed(detail)
  ground.recovery?.schedule()
}

async function build(ground: Ground, suspects: readonly Suspect[]): Promise<StoredSpool> {
  const { dataDir, hooks, emit, link } = ground
  const contents = new ContentStore(
    { root: join(dataDir, 'content'), inlineBytesMax: INLINE_BYTES_MAX },
    hooks,
    (error) => failed(ground, errorCode(error)),
  )
  await contents.prepare()
  await fsyncDirectory(dataDir, hooks)
  const { journal, ...left } = await UnsettledJournal.open(join(dataDir, 'unsettled.journal'), hooks)
  if (suspects.length > 0) emit({ event: 'spool-suspects-found', ids: suspects.map(({ id }) => id) })

  const watch = new Watch()
  const onClose = async (): Promise<void> => {
    watch.stop()
    await ground.recovery?.stop()
    await link.close()
    openDirectories.delete(dataDir)
  }
  const spool = new StoredSpool({ ...ground, contents, suspects, acceptMs: hooks.acceptMs, onClose })
  ground.recovery = new StoreRecovery(recoveryParts(ground, spool, { contents, journal }), left)
  spool.recoverWith(ground.recovery)

  await askDisk(ground)
  if (left.entries.length > 0 || left.damagedLines > 0) {
    // Nothing is claimed before what an earlier run knew is in the store.
    ground.condition.failed('unsettled outcomes of an earlier run')
    await ground.recovery.recover()
  }
  await restoreReserve(ground)
  keepWatch(ground, watch, contents)
  return spool
}

function recoveryParts(
  ground: Ground,
  spool: StoredSpool,
  { contents, journal }: { readonly contents: ContentStore; readonly journal: UnsettledJournal },
): RecoveryParts {
  const { link, condition, emit, leases, start, hooks } = ground
  return {
    ...{ link, journal, condition, emit },
    probeIntervalMs: hooks.probeIntervalMs,
    ensureStore: async () => {
      if (link.isUp) return
      const held = [...leases].map(([token, untilMono]) => ({ token, untilMono }))
      const again = await link.start({ ...start, leases: held, suspects: spool.suspects.list() })
      if (!again.ok) throw new Error(`the store cannot be opened again: ${again.error.kind}`)
      // Given back while the thread was on its way up, when nobody could be told.
      const released = held.map(({ token }) => token).filter((token) => !leases.has(token))
      await link.ask('release', { tokens: released })
      emit({ event: 'spool-thread-restarted', detail: `${held.length} leases carried over` })
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
    onRecovered: () => void restoreReserve(ground),
  }
}

async function askDisk({ dataDir, hooks, condition }: Ground): Promise<void> {
  condition.space({ diskFreeBytes: await diskFree(dataDir, hooks) })
}

async function restoreReserve({ condition, reserve, reserveBytes: bytes, emit }: Ground): Promise<void> {
  if (condition.isFailing || !(await reserve.ensure(condition.diskFreeBytes).catch(() => false))) return
  emit({ event: 'spool-reserve-restored', bytes })
}

function keepWatch(ground: Ground, watch: Watch, contents: ContentStore): void {
  const { now, mono, link, emit, leases } = ground
  watch.every(DISK_WATCH_MS, async () => {
    await askDisk(ground)
    await restoreReserve(ground)
    for (const [token, until] of leases) if (until < mono() - FORGOTTEN_LEASE_MS) leases.delete(token)
  })
  const known = async (ids: readonly QueueId[]): Promise<ReadonlySet<QueueId>> =>
    new Set(await link.ask('known', { ids }))
  const onRemoved = (name: string): void => emit({ event: 'spool-orphan-removed', name })
  const sweep = (): Promise<void> => sweepOrphans({ contents, now, known, onRemoved })
  watch.every(SWEEP_INTERVAL_MS, sweep)
  watch.once(sweep)
}

function storeStart(dataDir: string, { hooks, setAsideAfterDeaths }: SqliteSpoolOptions): StoreStart {
  const synchronous = hooks?.weaken?.synchronous
  return {
    dataDir,
    epoch: randomBytes(4).toString('hex'),
    leases: [],
    setAsideAfterDeaths,
    suspects: undefined,
    faults: hooks?.faults?.memory,
    weaken: synchronous === undefined ? undefined : { synchronous },
  }
}
