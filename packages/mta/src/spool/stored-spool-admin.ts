/**
 * What operators ask and order of the spool. Orders are cut into small groups, so that one over the whole
 * queue never keeps mail waiting.
 */
import type { SpoolEvent } from './events.ts'
import type { QueueId } from './queue-id.ts'
import type {
  QueueAction,
  QueueChange,
  QueueEntry,
  QueueFilter,
  QueuePage,
  QueuePlace,
  QueueShape,
  QueueSummary,
  ShapeWish,
  SpoolAdmin,
} from './spool.ts'
import { entryOf } from './store-message.ts'
import type { Gone, ShapeAsk, SpoolStore, SummaryRecord } from './store-protocol.ts'

const IDS_PER_ORDER = 64
const PAGE_MAX = 1000
/** A fifth of a second of a Redis server, in slices. */
const LOOK_MAX = 50_000
const SHAPE_ROWS_MAX = 1000
const MINUTE_MS = 60_000
/** As Postfix' qshape has them: each twice the one before. */
const AGE_CLASSES_MS = [5, 10, 20, 40, 80, 160, 320, 640, 1280].map((minutes) => minutes * MINUTE_MS)

export class StoredSpoolAdmin implements SpoolAdmin {
  readonly #link: SpoolStore
  readonly #emit: (event: SpoolEvent) => void
  readonly #onGone: (gone: readonly Gone[]) => void

  constructor(link: SpoolStore, emit: (event: SpoolEvent) => void, onGone: (gone: readonly Gone[]) => void) {
    this.#link = link
    this.#emit = emit
    this.#onGone = onGone
  }

  async list(
    filter: QueueFilter,
    page: { readonly limit: number; readonly after?: QueueId },
  ): Promise<readonly QueueEntry[]> {
    const limit = Math.min(page.limit, PAGE_MAX)
    if (limit <= 0) return []
    const look = Number.MAX_SAFE_INTEGER
    const { entries } = await this.#link.ask('list', { filter, limit, after: page.after ?? '', look })
    return entries.map(entryOf)
  }

  async page(filter: QueueFilter, { look = LOOK_MAX, ...page }: QueuePlace): Promise<QueuePage> {
    const limit = Math.max(1, Math.min(page.limit, PAGE_MAX))
    const ask = { filter, limit, after: page.after ?? '', look: Math.min(look, LOOK_MAX) } as const
    const { entries, more } = await this.#link.ask('list', ask)
    return { entries: entries.map(entryOf), ...(more === '' ? {} : { more }) }
  }

  async show(id: QueueId): Promise<QueueEntry | undefined> {
    const record = await this.#link.ask('show', { id })
    return record === null ? undefined : entryOf(record)
  }

  async change(ids: readonly QueueId[], action: QueueAction): Promise<readonly QueueChange[]> {
    const changes: QueueChange[] = []
    for (let at = 0; at < ids.length; at += IDS_PER_ORDER) {
      const order = { ids: ids.slice(at, at + IDS_PER_ORDER), action, breakLeases: false }
      const answer = await this.#link.ask('change', order)
      this.#onGone(answer.gone)
      changes.push(...answer.changes)
    }
    if (action.kind === 'quarantine') {
      for (const { id, result } of changes) {
        if (result === 'done') this.#emit({ event: 'spool-message-quarantined', id, reason: action.reason })
      }
    }
    return changes
  }

  async overview(wish: ShapeWish): ReturnType<SpoolAdmin['overview']> {
    if (wish.by !== 'lane') return { summary: await this.summary(), shape: await this.shape(wish) }
    const { laneShape, ...answer } = await this.#link.ask('summary', { lanes: termsOf(wish) })
    const { rows, others } = laneShape ?? { rows: [], others: { names: 0, counts: [] } }
    return { summary: summaryOf(answer), shape: { by: wish.by, ages: AGE_CLASSES_MS, rows, others } }
  }

  async shape({ by, ...wish }: ShapeWish): Promise<QueueShape> {
    const { rows, others } = await this.#link.ask('shape', { by, ...termsOf(wish) })
    return { by, ages: AGE_CLASSES_MS, rows, others }
  }

  async summary(): Promise<QueueSummary> {
    return summaryOf(await this.#link.ask('summary', {}))
  }
}

function termsOf({ now, limit }: Omit<ShapeWish, 'by'>): Omit<ShapeAsk, 'by'> {
  return { edges: AGE_CLASSES_MS.map((age) => now - age), limit: Math.min(limit, SHAPE_ROWS_MAX) }
}

function summaryOf({ oldestReceivedAt, ...totals }: SummaryRecord): QueueSummary {
  return oldestReceivedAt === null ? totals : { ...totals, oldestReceivedAt }
}
