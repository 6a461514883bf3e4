/**
 * Content that is still arriving: in memory up to the inline size, then in a file of its own under
 * `content/incoming/`, written with backpressure and hashed on the way (at the end, where room is kept on top). Nothing here is durable before `finish`;
 * a file that is never accepted is discarded by its session or swept later.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { invariant } from '@hermetic/policy'
import { FILE_MODE, unlinkIfThere } from './durable-file.ts'
import type { SpoolHooks } from './faults.ts'
import { type ContentSink, type NewContent, StoreUnavailable } from './spool.ts'

const READ_OCTETS = 256 * 1024

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
  /** Octets in memory, with the room on top. */
  #pending = 0
  #file: FileHandle | undefined
  #spilled = false
  #reserved = 0

  constructor(place: StagingPlace) {
    this.#place = place
  }

  reserve(octets: number): void {
    this.#reserved = octets
    this.#size = octets
    this.#pending = octets
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.byteLength
    this.#pending += chunk.byteLength
    this.#chunks.push(chunk)
    // Sockets hand out small pieces; the file gets as much at once as memory would have held.
    if (this.#pending > this.#place.inlineBytesMax) await this.#guarded(() => this.#spill())
  }

  async finish(top: Uint8Array = new Uint8Array()): Promise<NewContent> {
    invariant(top.byteLength === this.#reserved, 'what goes on top fills the room that was kept for it')
    if (!this.#spilled) return { kind: 'memory', bytes: Buffer.concat([top, ...this.#chunks], this.#size) }
    await this.#guarded(async () => {
      await this.#spill()
      await this.#fillTop(top)
      this.#place.hooks.faults?.pass('file-fsync')
      // The sync waits for the disk; what is hashed meanwhile comes from memory.
      await Promise.all([this.#file?.sync(), this.#hashFromTop()])
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
    const file = await open(this.#place.path, 'w+', FILE_MODE)
    if (this.#reserved > 0) await file.writeFile(Buffer.alloc(this.#reserved))
    return file
  }

  async #fillTop(top: Uint8Array): Promise<void> {
    if (top.byteLength === 0) return
    this.#place.hooks.faults?.pass('file-write')
    for (let written = 0; written < top.byteLength; ) {
      const { bytesWritten } = (await this.#file?.write(top, written, undefined, written)) ?? { bytesWritten: 0 }
      written += bytesWritten
    }
  }

  /** SHA-256 cannot begin before its first octets are there: with room on top, all of it is done at the end. */
  async #hashFromTop(): Promise<void> {
    if (this.#reserved === 0) return
    const chunk = Buffer.allocUnsafe(READ_OCTETS)
    for (let at = 0; at < this.#size; ) {
      const { bytesRead } = (await this.#file?.read(chunk, 0, chunk.length, at)) ?? { bytesRead: 0 }
      if (bytesRead === 0) throw new Error('the content file is shorter than what was written')
      this.#hash.update(chunk.subarray(0, bytesRead))
      at += bytesRead
    }
  }

  async #spill(): Promise<void> {
    const chunks = this.#chunks
    this.#chunks = []
    this.#pending = 0
    this.#file ??= await this.#create()
    this.#place.hooks.faults?.pass('file-write')
    if (this.#reserved === 0) for (const chunk of chunks) this.#hash.update(chunk)
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
