/**
 * Writes every message of a spool into a queue file, in the order of the ids. For a move each message is first held, so
 * that nobody delivers what has been written, whoever else works on the queue; what is being delivered just then is waited
 * for, and left when that takes too long. Nothing is removed here. Memory is that of one page, whatever the queue's length.
 */
import type { QueueFileWriter } from '../queue-file/queue-file-writer.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { type Content, ContentUnreadable, type SpoolAdmin } from '../spool/spool.ts'
import type { SpoolMoves } from '../spool/spool-moves.ts'
import type { SpooledMessage } from '../spool/whole-message.ts'
import { beforeTheMove, movingReason } from './moving-hold.ts'

/** A spool that messages can leave. */
export interface MovableQueue {
  readonly admin: SpoolAdmin
  readonly moves: SpoolMoves
}

export interface ExportOptions {
  readonly queue: MovableQueue
  readonly writer: QueueFileWriter
  /** Move: the name of the file, by which what it takes is held. */
  readonly move?: string
  /** Everything up to and with this id is in the file already. */
  readonly after?: QueueId
  readonly pause: (ms: number) => Promise<void>
  readonly onProgress?: (counts: ExportCounts) => void
}

export interface ExportCounts {
  /** In the file, with those of earlier runs. */
  readonly messages: number
  /** Of this run. */
  readonly contentOctets: number
  readonly left: readonly LeftMessage[]
}

export interface LeftMessage {
  readonly id: QueueId
  readonly why: 'in-delivery' | 'content-unreadable'
}

const PAGE = 200
/** Contents in memory at once: 16 of at most 256 KiB. */
const READ_AT_ONCE = 16
/** Longer than the lease of a worker that died while it delivered. */
const BUSY_ROUNDS_MAX = 90
const BUSY_ROUND_MS = 1000

/** Rejects with `StoreUnavailable`, and with whatever the writer's sink rejects with. */
export async function exportQueue(options: ExportOptions): Promise<ExportCounts> {
  const exporting = new Export(options)
  await exporting.walk()
  await exporting.waitForBusy()
  return exporting.counts
}

class Export {
  readonly #options: ExportOptions
  readonly #left: LeftMessage[] = []
  #busy: QueueId[] = []
  #contentOctets = 0

  constructor(options: ExportOptions) {
    this.#options = options
  }

  get counts(): ExportCounts {
    const { messages } = this.#options.writer
    return { messages, contentOctets: this.#contentOctets, left: this.#left }
  }

  async walk(): Promise<void> {
    const { queue, onProgress } = this.#options
    for (let after = this.#options.after; ; ) {
      const page = await queue.moves.page({ limit: PAGE, ...(after === undefined ? {} : { after }) })
      after = page.at(-1)?.message.id
      if (after === undefined) return
      const { ready, busy } = await this.#standing(page)
      this.#busy.push(...busy)
      await this.#write(ready)
      onProgress?.(this.counts)
    }
  }

  /** What was being delivered: soon it is gone, or it waits. */
  async waitForBusy(): Promise<void> {
    const { pause, onProgress } = this.#options
    for (let round = 0; this.#busy.length > 0 && round < BUSY_ROUNDS_MAX; round += 1) {
      await pause(BUSY_ROUND_MS)
      const waited = this.#busy
      this.#busy = []
      for (let at = 0; at < waited.length; at += PAGE) {
        const { ready, busy } = await this.#held(waited.slice(at, at + PAGE))
        this.#busy.push(...busy)
        await this.#write(ready)
      }
      onProgress?.(this.counts)
    }
    for (const id of this.#busy) this.#left.push({ id, why: 'in-delivery' })
  }

  async #standing(page: readonly SpooledMessage[]): Promise<Standing> {
    if (this.#options.move === undefined) return { ready: page, busy: [] }
    return await this.#held(page.map(({ message }) => message.id))
  }

  /** First held and then read: what is read cannot change any more. */
  async #held(ids: readonly QueueId[]): Promise<Standing> {
    const { queue, move = '' } = this.#options
    await queue.admin.change(ids, { kind: 'hold', reason: movingReason(move), withNotices: true })
    const found = (await Promise.all(ids.map((id) => queue.moves.find(id)))).filter((one) => one !== undefined)
    const isBusy = ({ message, inDelivery }: SpooledMessage): boolean =>
      inDelivery || message.deliveries.some(({ state }) => state === 'queued')
    return {
      ready: found.filter((one) => !isBusy(one)),
      busy: found.filter(isBusy).map(({ message }) => message.id),
    }
  }

  async #write(messages: readonly SpooledMessage[]): Promise<void> {
    for (let at = 0; at < messages.length; at += READ_AT_ONCE) {
      const some = messages.slice(at, at + READ_AT_ONCE)
      const contents = await Promise.all(some.map(({ message }) => this.#open(message.id)))
      for (const [n, { message }] of some.entries()) {
        const content = contents[n]
        if (content === undefined) continue
        await this.#options.writer.message(beforeTheMove(message), content)
        this.#contentOctets += content.size
      }
    }
  }

  async #open(id: QueueId): Promise<Content | undefined> {
    try {
      return await this.#options.queue.moves.open(id)
    } catch (error) {
      if (!(error instanceof ContentUnreadable)) throw error
      // Of a copy, it may just have been delivered.
      const stays = await this.#options.queue.moves.find(id)
      if (stays !== undefined) this.#left.push({ id, why: 'content-unreadable' })
      return undefined
    }
  }
}

interface Standing {
  /** Read when nothing could change them any more; of a copy, as they were a moment ago. */
  readonly ready: readonly SpooledMessage[]
  readonly busy: readonly QueueId[]
}
