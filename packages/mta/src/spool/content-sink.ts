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

/** Measured: below this SQLite is faster than file, fsync, rename and directory fsync; above, a file is. */
export const INLINE_BYTES_MAX = 256 * 1024

export interface StagingPlace {
  readonly path: string
  readonly hooks: SpoolHooks
  /** Told about every failure of the disk, so that intake stops. */
  onTrouble(error: unknown): void
}

export class StagedContent implements ContentSink {
  readonly #place: StagingPlace
  readonly #hash = createHash('sha256')
  #chunks: Uint8Array[] = []
  #size = 0
  #file: FileHandle | undefined
  #spilled = false

  constructor(place: StagingPlace) {
    this.#place = place
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.byteLength
    if (!this.#spilled && this.#size <= INLINE_BYTES_MAX) {
      this.#chunks.push(chunk)
      return
    }
    await this.#guarded(async () => {
      this.#file ??= await this.#create()
      await this.#append([...this.#chunks, chunk])
      this.#chunks = []
    })
  }

  async finish(): Promise<NewContent> {
    if (!this.#spilled) return { kind: 'memory', bytes: Buffer.concat(this.#chunks, this.#size) }
    await this.#guarded(async () => {
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

  async #append(chunks: readonly Uint8Array[]): Promise<void> {
    this.#place.hooks.faults?.pass('file-write')
    for (const chunk of chunks) {
      this.#hash.update(chunk)
      for (let written = 0; written < chunk.byteLength; ) {
        const { bytesWritten } = (await this.#file?.write(chunk, written)) ?? { bytesWritten: chunk.byteLength }
        written += bytesWritten
      }
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
