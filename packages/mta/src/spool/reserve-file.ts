/**
 * The file that keeps room for settles on a full disk: real bytes that are given back when an outcome could not
 * be written, and made again when the disk has room for it and more.
 */
import { open, stat } from 'node:fs/promises'
import { FILE_MODE, isErrno, unlinkIfThere } from './durable-file.ts'

const CHUNK_BYTES = 1024 * 1024
/** Made only while this many times its size is free, so that making it never fills the disk. */
const ROOM_FACTOR = 4

export class ReserveFile {
  readonly #path: string
  readonly #bytes: number
  #held = false
  #busy: Promise<boolean> | undefined

  constructor(path: string, bytes: number) {
    this.#path = path
    this.#bytes = bytes
  }

  get held(): boolean {
    return this.#held
  }

  /** True when the reserve was made now; false when it stood already or there is no room. */
  ensure(diskFreeBytes: number | undefined): Promise<boolean> {
    if (this.#held || (diskFreeBytes ?? 0) < this.#bytes * ROOM_FACTOR) return Promise.resolve(false)
    this.#busy ??= this.#make().finally(() => {
      this.#busy = undefined
    })
    return this.#busy
  }

  /** True when there was a reserve to give back. */
  async release(): Promise<boolean> {
    await this.#busy?.catch(() => false)
    const held = this.#held
    this.#held = false
    await unlinkIfThere(this.#path)
    return held
  }

  async #make(): Promise<boolean> {
    if (await this.#isComplete()) {
      this.#held = true
      return false
    }
    try {
      await this.#fill()
      this.#held = true
      return true
    } catch (error) {
      await unlinkIfThere(this.#path)
      if (isErrno(error, 'ENOSPC')) return false
      throw error
    }
  }

  async #fill(): Promise<void> {
    const file = await open(this.#path, 'w', FILE_MODE)
    try {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, this.#bytes))
      for (let left = this.#bytes; left > 0; left -= chunk.length)
        await file.write(chunk, 0, Math.min(chunk.length, left))
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async #isComplete(): Promise<boolean> {
    try {
      return (await stat(this.#path)).size === this.#bytes
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false
      throw error
    }
  }
}
