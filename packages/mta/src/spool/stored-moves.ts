/**
 * Whole messages in and out, on top of a store and the content files of either engine. Contents reach their place
 * before the store names them; a file that no message names in the end is swept.
 */
import type { Contents } from './content-store.ts'
import type { QueueId } from './queue-id.ts'
import type { Content, ContentSink } from './spool.ts'
import type { EnteringBatch, EnteringMessage, EnterOutcome, SpoolMoves } from './spool-moves.ts'
import type { StoreCondition } from './store-condition.ts'
import { readContent } from './store-content.ts'
import { StoreFailed } from './store-failed.ts'
import type { Gone, SpoolStore, WholeRecord } from './store-protocol.ts'
import { type SpooledMessage, spooledMessage, wholeRecord } from './whole-message.ts'

/** A page holds whole envelopes; contents are read one by one. */
const PAGE_MAX = 200
/** In the store's memory of files. */
const LEAVING = 'leaving with '

export interface StoredMovesParts {
  readonly link: SpoolStore
  readonly contents: Contents
  readonly condition: StoreCondition
  readonly onGone: (gone: readonly Gone[]) => void
}

export class StoredMoves implements SpoolMoves {
  readonly #parts: StoredMovesParts

  constructor(parts: StoredMovesParts) {
    this.#parts = parts
  }

  async page({
    after,
    limit,
  }: {
    readonly after?: QueueId
    readonly limit: number
  }): Promise<readonly SpooledMessage[]> {
    const ask = {
      filter: {},
      limit: Math.min(limit, PAGE_MAX),
      after: after ?? '',
      look: Number.MAX_SAFE_INTEGER,
    } as const
    return (await this.#parts.link.ask('list', ask)).entries.map(spooledMessage)
  }

  async find(id: QueueId): Promise<SpooledMessage | undefined> {
    const record = await this.#parts.link.ask('show', { id })
    return record === null ? undefined : spooledMessage(record)
  }

  open(id: QueueId): Promise<Content> {
    return readContent(this.#parts, id)
  }

  stage(id: QueueId): ContentSink {
    return this.#parts.contents.stage(id)
  }

  async enter({ messages, file, from, upTo }: EnteringBatch): Promise<EnterOutcome> {
    const { link, condition } = this.#parts
    const health = condition.health()
    if (health.intake === 'full') return { kind: 'full', detail: health.detail }
    const known = new Set(await link.ask('known', { ids: messages.map(({ message }) => message.id) }))
    const fresh = messages.filter(({ message }) => !known.has(message.id))
    await this.#discard(messages.filter(({ message }) => known.has(message.id)))
    const records = await Promise.all(fresh.map((one) => this.#placed(one)))
    try {
      const answers = await link.ask('enter', { messages: records, file, from, upTo })
      if (answers === 'overtaken') return { kind: 'overtaken' }
      const entered = answers.filter((answer) => answer === 'entered').length
      return { kind: 'entered', entered, alreadyThere: messages.length - entered }
    } catch (error) {
      if (error instanceof StoreFailed && error.failure.full) return { kind: 'full', detail: error.failure.detail }
      throw error
    }
  }

  enteredUpTo(file: string): Promise<number> {
    return this.#parts.link.ask('entered-up-to', { file })
  }

  async markLeaving(file: string): Promise<void> {
    await this.#parts.link.ask('enter', { messages: [], file: `${LEAVING}${file}`, from: 0, upTo: 1 })
  }

  async isLeaving(file: string): Promise<boolean> {
    return (await this.#parts.link.ask('entered-up-to', { file: `${LEAVING}${file}` })) > 0
  }

  async takeOut(ids: readonly QueueId[]): Promise<readonly QueueId[]> {
    const gone = await this.#parts.link.ask('take-out', { ids })
    this.#parts.onGone(gone)
    return gone.map(({ id }) => id)
  }

  async #placed({ message, content }: EnteringMessage): Promise<WholeRecord> {
    return wholeRecord(message, await this.#parts.contents.place(message.id, content))
  }

  /** Their contents are in the spool already. */
  async #discard(known: readonly EnteringMessage[]): Promise<void> {
    for (const { message, content } of known) {
      if (content.kind === 'staged') await this.#parts.contents.unstage(message.id)
    }
  }
}
