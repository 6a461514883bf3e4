/**
 * Content that is still arriving: in memory up to the inline size, then in a file of its own under
 * `content/incoming/`, written with backpressure and hashed on the way. Nothing here is durable before `finish`;
 * a file that is never accepted is discarded by its session or swept later.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { FILE_MODE, unlinkIfThere } from './durable-file.ts'
import type { SpoolHooks } from './faults.ts'
import { type ContentSink, type NewContent, StoreUnavailable } from './spool.ts'

export interface StagingPlace {
  readonly path: string
  readonly inlineBytesMax: number
  readonly hooks: SpoolHooks
  /** Told about every failure of the disk, so that intake stops. */
  onTrouble(error: unknown): void
}

export class StagedContent implements ContentSink {
  readonly #place: StagingPlace
  readonly #hash = createHash('sha256')
  #chunks: Uint8Array[] = []
  #size = 0
  /** Octets in `chunks`. */
  #pending = 0
  #file: FileHandle | undefined
  #spilled = false

  constructor(place: StagingPlace) {
    this.#place = place
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.byteLength
    this.#pending += chunk.byteLength
    this.#chunks.push(chunk)
    // Sockets hand out small pieces; the file gets as much at once as memory would have held.
    if (this.#pending > this.#place.inlineBytesMax) await this.#guarded(() => this.#spill())
  }

  async finish(): Promise<NewContent> {
    if (!this.#spilled) return { kind: 'memory', bytes: Buffer.concat(this.#chunks, this.#size) }
    await this.#guarded(async () => {
      await this.#spill()
      this.#place.hooks.faults?.pass('file-fsync')
      await this.#file?.sync()
      await this.#close()
    })
    return { kind: 'staged', path: this.#place.path, size: this.#size, sha256: this.#hash.digest('hex') }
  }

  async discard(): Promise<void> {
    this.#chunks = []
    await this.#close()
    if (this.#spilled) await unlinkIfThere(this.#place.path)
  }

  async #create(): Promise<FileHandle> {
    this.#spilled = true
    // Truncates what an attempt that died left under this id: the name has one owner.
    return await open(this.#place.path, 'w', FILE_MODE)
  }

  async #spill(): Promise<void> {
    const chunks = this.#chunks
    this.#chunks = []
    this.#pending = 0
    this.#file ??= await this.#create()
    this.#place.hooks.faults?.pass('file-write')
    for (const chunk of chunks) this.#hash.update(chunk)
    // Repeats what a short write has left.
    const bytes = Buffer.concat(chunks)
    for (let written = 0; written < bytes.byteLength; ) {
      const { bytesWritten } = await this.#file.write(bytes, written)
      written += bytesWritten
    }
  }

  async #close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async #guarded(step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      await this.#close().catch(() => undefined)
      this.#place.onTrouble(error)
      throw new StoreUnavailable('the content could not be written', { cause: error })
    }
  }
}
