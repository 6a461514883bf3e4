/**
 * The queue for the command line: the running relay's, over its socket; when none runs, the files themselves, or
 * Redis, opened for one order and closed again.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import { type QueueAdmin, routedQueue } from '../admin/routed-queue.ts'
import type { HistorySearch } from '../admin/trace-order.ts'
import type { AskWaits } from '../admin/waits-order.ts'
import type { Config } from '../config/schema.ts'
import type { LaneId } from '../delivery/lane.ts'
import { BATCH_MAX, type DeliveryHistory } from '../history/delivery-history.ts'
import { orderedEntries } from '../history/entries-of-events.ts'
import type { OrderedEntry } from '../history/entry.ts'
import { recordedAdmin, type SpoolListener } from '../history/recorded-spool.ts'
import type { HoldRuleStore } from '../holds/hold-rule-store.ts'
import { type HoldAdmin, HoldRules } from '../holds/hold-rules.ts'
import { wakeByOperator } from '../schedule/adapters/bullmq-operator-wake.ts'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import type { SpoolAdmin } from '../spool/spool.ts'
import type { StoredSpool } from '../spool/stored-spool.ts'
import { configuredRouting } from '../wiring/configured-sources.ts'
import { DurabilityNews } from '../wiring/durability-news.ts'
import { Opening } from '../wiring/opening.ts'
import { openRedisQueue } from '../wiring/redis-engine.ts'
import { openRedisGround, type RedisQueueConfig } from '../wiring/redis-ground.ts'
import { wakeChanged } from '../wiring/wake-changed.ts'
import { historyFile } from './open-history.ts'
import { describeRedisSpoolProblem, describeSpoolProblem } from './start-problem-text.ts'
import { UserError } from './verb.ts'

export interface OpenedQueue {
  readonly queue: QueueAdmin
  readonly holds: HoldAdmin
  /** `files`, `redis`: no relay runs here. */
  readonly by: 'relay' | 'files' | 'redis'
  /** Absent: none is kept. */
  readonly history?: HistorySearch
  /** Absent: no relay runs, so that nothing waits for anybody. */
  readonly waits?: AskWaits
  close(): Promise<void>
}

/** Undefined when there is no queue at all: the relay never ran here. */
export async function openQueue(
  config: Pick<Config, 'data_dir' | 'queue' | 'history' | 'delivery' | 'route' | 'source' | 'hostname'>,
): Promise<OpenedQueue | undefined> {
  const relay = await connectControl(join(config.data_dir, SOCKET_NAME))
  if (relay !== undefined) {
    const { queue, history, waits, holds } = relay
    return { queue, history, waits, holds, by: 'relay', close: async () => undefined }
  }
  const by = config.queue.engine === 'redis' ? 'redis' : 'files'
  const opened = await (by === 'redis' ? openInRedis(config) : openFiles(config))
  if (opened === undefined) return undefined
  const { admin, holdRules: store } = opened
  const holds = new HoldRules({ store, now: Date.now, emit: () => undefined })
  const history = historyFile(config)
  const routing = configuredRouting(config)
  if (history === undefined) return { queue: routedQueue(admin, routing), holds, by, close: () => opened.close() }
  const entries: OrderedEntry[] = []
  const ordered: SpoolListener['ordered'] = (changes, action) => {
    for (const entry of orderedEntries(changes, action, Date.now())) entries.push(entry)
  }
  return {
    ...{ queue: routedQueue(recordedAdmin(admin, { ordered }), routing), holds, history, by },
    close: async () => {
      await opened.close()
      await recordAll(history, entries)
      await history.close()
    },
  }
}

interface OpenedSpool {
  readonly admin: SpoolAdmin
  readonly holdRules: HoldRuleStore
  close(): Promise<void>
}

async function openFiles({ data_dir, queue }: Pick<Config, 'data_dir' | 'queue'>): Promise<OpenedSpool | undefined> {
  if (!existsSync(join(data_dir, 'spool.db'))) return undefined
  const opened = await openSqliteSpool({ dataDir: data_dir, maxBytes: queue.max_bytes, emit: () => undefined })
  if (!opened.ok) throw new UserError(describeSpoolProblem(opened.error))
  const { admin, holdRules } = opened.value
  return { admin, holdRules, close: () => opened.value.close() }
}

async function openInRedis(config: Pick<Config, 'data_dir' | 'queue'>): Promise<OpenedSpool | undefined> {
  const { queue } = config
  if (queue.engine !== 'redis') return undefined
  const opening = new Opening()
  const emit = (): void => undefined
  const durability = new DurabilityNews(queue.durability, emit)
  const spool = await openRedisQueue(config, { queue, opening, emit, durability })
  if (spool.ok) return wakingSpool(spool.value, { queue, close: () => opening.close() })
  await opening.abandon()
  throw new UserError(describeRedisSpoolProblem(spool.error))
}

/** Relays elsewhere look at once at what was ordered here. */
function wakingSpool(
  spool: StoredSpool,
  { queue, close }: { readonly queue: RedisQueueConfig; close(): Promise<void> },
): OpenedSpool {
  const ordered = new Set<LaneId>()
  const scheduler = { wake: (lane: LaneId) => void ordered.add(lane) }
  const change: SpoolAdmin['change'] = async (ids, action) => {
    const changes = await spool.admin.change(ids, action)
    await wakeChanged(action, changes, { spool, scheduler })
    return changes
  }
  const { admin, holdRules } = spool
  return {
    holdRules,
    admin: {
      list: (filter, page) => admin.list(filter, page),
      page: (filter, page) => admin.page(filter, page),
      show: (id) => admin.show(id),
      summary: () => admin.summary(),
      overview: (ask) => admin.overview(ask),
      shape: (ask) => admin.shape(ask),
      change,
    },
    close: async () => {
      await close()
      if (ordered.size === 0) return
      const { client, keys, close: leave } = await openRedisGround(queue)
      await wakeByOperator(client, keys, [...ordered]).finally(leave)
    },
  }
}

/** The order is done, whether or not the history can tell of it later. */
async function recordAll(history: DeliveryHistory, entries: readonly OrderedEntry[]): Promise<void> {
  for (let start = 0; start < entries.length; start += BATCH_MAX) {
    await history.record(entries.slice(start, start + BATCH_MAX)).catch(() => undefined)
  }
}
