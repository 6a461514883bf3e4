/**
 * Takes the messages of a queue file into a spool, batch after batch. The spool remembers how far the file has come
 * together with each batch, so that whoever stopped in between goes on, and nothing comes twice, also what has been
 * delivered meanwhile. Memory is that of one batch, whatever the file's length.
 */
import type { QueueFileHeader } from '../queue-file/queue-file.ts'
import { QueueFileDamaged } from '../queue-file/queue-file.ts'
import { type QueueFileMessage, QueueFileReader } from '../queue-file/queue-file-reader.ts'
import { type ContentSink, StoreUnavailable } from '../spool/spool.ts'
import type { EnteringMessage, SpoolMoves } from '../spool/spool-moves.ts'
import { copiedMessage } from './moving-hold.ts'

/** One transaction; its answer is waited for before more is read. */
const BATCH_MESSAGES_MAX = 256
const BATCH_OCTETS_MAX = 4 * 1024 * 1024

export interface ImportOptions {
  readonly moves: SpoolMoves
  readonly source: AsyncIterable<Uint8Array>
  /** Messages of a copy are held, because the queue that they are copied from may deliver them; true: they are not. */
  readonly deliverCopies: boolean
  readonly onHeader?: (header: QueueFileHeader, enteredBefore: number) => void
  readonly onProgress?: (counts: ImportCounts) => void
}

export interface ImportCounts {
  /** Of the file, read so far. */
  readonly messages: number
  readonly contentOctets: number
  readonly entered: number
  /** Their ids are in the queue. */
  readonly alreadyThere: number
  /** Taken in by an earlier run, delivered since or not. */
  readonly earlier: number
}

export type ImportOutcome = ImportCounts &
  (
    | { readonly kind: 'done' }
    | { readonly kind: 'damaged'; readonly damaged: QueueFileDamaged }
    /** The size limits of the spool are reached. */
    | { readonly kind: 'full'; readonly detail: string }
    | { readonly kind: 'unavailable'; readonly detail: string }
    /** Somebody else takes the same file in at this time. */
    | { readonly kind: 'overtaken' }
  )

export async function importQueue(options: ImportOptions): Promise<ImportOutcome> {
  const importing = new Import(options)
  try {
    const stopped = await importing.run()
    return { ...stopped, ...importing.counts }
  } catch (error) {
    if (error instanceof QueueFileDamaged) return { kind: 'damaged', damaged: error, ...importing.counts }
    if (error instanceof StoreUnavailable) return { kind: 'unavailable', detail: error.message, ...importing.counts }
    throw error
  }
}

type Stopped = { readonly kind: 'done' | 'overtaken' } | { readonly kind: 'full'; readonly detail: string }

class Import {
  readonly #options: ImportOptions
  counts: ImportCounts = { messages: 0, contentOctets: 0, entered: 0, alreadyThere: 0, earlier: 0 }
  #batch: (EnteringMessage & { readonly sink: ContentSink })[] = []
  #batchOctets = 0

  constructor(options: ImportOptions) {
    this.#options = options
  }

  async run(): Promise<Stopped> {
    const { moves, source, onHeader, onProgress } = this.#options
    const reader = new QueueFileReader(source)
    const header = await reader.header()
    const before = await moves.enteredUpTo(header.file)
    onHeader?.(header, before)
    try {
      for await (const one of reader.messages()) {
        if (one.number <= before) await this.#pass(one)
        else await this.#add(one, header)
        if (this.#batch.length < BATCH_MESSAGES_MAX && this.#batchOctets < BATCH_OCTETS_MAX) continue
        const stopped = await this.#enter(header)
        onProgress?.(this.counts)
        if (stopped.kind !== 'done') return stopped
      }
    } catch (error) {
      // What is whole before the damage is mail all the same.
      if (error instanceof QueueFileDamaged) {
        const stopped = await this.#enter(header)
        if (stopped.kind !== 'done') return stopped
      } else await this.#discard()
      throw error
    }
    return await this.#enter(header)
  }

  async #pass({ content, contentOctets }: QueueFileMessage): Promise<void> {
    for await (const _ of content());
    this.#count({ earlier: this.counts.earlier + 1 }, contentOctets)
  }

  async #add({ message, content, contentOctets }: QueueFileMessage, { kind, from }: QueueFileHeader): Promise<void> {
    const sink = this.#options.moves.stage(message.id)
    try {
      for await (const chunk of content()) await sink.write(chunk)
      const held = kind === 'copy' && !this.#options.deliverCopies
      const entering = held ? copiedMessage(message, from) : message
      this.#batch.push({ message: entering, content: await sink.finish(), sink })
    } catch (error) {
      await sink.discard()
      throw error
    }
    // Also of large ones, which wait in files: a batch that takes long is a long time without progress.
    this.#batchOctets += contentOctets
    this.#count({}, contentOctets)
  }

  async #enter({ file }: QueueFileHeader): Promise<Stopped> {
    const messages = this.#batch
    if (messages.length === 0) return { kind: 'done' }
    const upTo = this.counts.messages
    const outcome = await this.#options.moves.enter({ messages, file, from: upTo - messages.length, upTo })
    if (outcome.kind !== 'entered') {
      await this.#discard()
      return outcome
    }
    this.#batch = []
    this.#batchOctets = 0
    const { entered, alreadyThere } = outcome
    this.counts = {
      ...this.counts,
      entered: this.counts.entered + entered,
      alreadyThere: this.counts.alreadyThere + alreadyThere,
    }
    return { kind: 'done' }
  }

  /** Nothing of the batch is in the spool, so neither are its contents. */
  async #discard(): Promise<void> {
    for (const { sink } of this.#batch) await sink.discard()
    this.#batch = []
  }

  #count(more: Partial<ImportCounts>, contentOctets: number): void {
    const { messages, contentOctets: before } = this.counts
    this.counts = { ...this.counts, ...more, messages: messages + 1, contentOctets: before + contentOctets }
  }
}
