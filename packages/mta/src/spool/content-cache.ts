/**
 * The content of recently accepted messages, so that due mail that is still in memory is delivered from memory
 * (architecture §6). Bounded in bytes; the oldest goes first. What is not here is read from the store.
 */
import type { QueueId } from './queue-id.ts'

/** What an entry costs besides its bytes, roughly, so that a cache of tiny messages is bounded too. */
export const ENTRY_BYTES = 512

export class ContentCache {
  readonly #bytesMax: number
  readonly #contents = new Map<QueueId, Uint8Array>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(id: QueueId): Uint8Array | undefined {
    return this.#contents.get(id)
  }

  put(id: QueueId, content: Uint8Array): void {
    this.delete(id)
    if (cost(content) > this.#bytesMax) return
    this.#contents.set(id, content)
    this.#bytes += cost(content)
    for (const oldest of this.#contents.keys()) {
      if (this.#bytes <= this.#bytesMax) break
      this.delete(oldest)
    }
  }

  delete(id: QueueId): void {
    const content = this.#contents.get(id)
    if (content === undefined) return
    this.#contents.delete(id)
    this.#bytes -= cost(content)
  }
}

function cost(content: Uint8Array): number {
  return content.byteLength + ENTRY_BYTES
}
