/**
 * Content files of messages too large for the store, each named by its queue id and owned by that message
 * alone: `content/<last two digits>/<id>`. Never content-addressed, so that removing one message's content
 * cannot remove another's. Which ids exist is the store's knowledge; this file knows names and bytes.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, open, readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StagedContent, type StagingPlace } from './content-sink.ts'
import { errorCode, FILE_MODE, fsyncDirectory, isErrno, makeDurableDirectory, unlinkIfThere } from './durable-file.ts'
import type { SpoolHooks } from './faults.ts'
import { parseQueueId, type QueueId } from './queue-id.ts'
import { type Content, type ContentSink, ContentUnreadable, type NewContent, StoreUnavailable } from './spool.ts'

const READ_CHUNK_BYTES = 256 * 1024
/** Says nothing about the file: the process or the machine is out of something. */
const NOT_NOW = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'] as const

/** Content where `accept` can name it in the envelope. */
export type PlacedContent =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly size: number; readonly sha256: Uint8Array }

export interface ContentPlace {
  /** The directory of the content files, `content` for short. */
  readonly root: string
  /** What is larger goes into a file; each engine measured its own. */
  readonly inlineBytesMax: number
  /** Whether the directory is the one that it was: another may be mounted in its place, or none. Absent: it is. */
  readonly isThere?: () => Promise<boolean>
}

export interface Staging {
  readonly place: ContentPlace
  readonly onTrouble: (error: unknown) => void
}

export interface ContentFile {
  readonly id: QueueId
  readonly path: string
  readonly modifiedAt: number
}

/** What the spool needs of the place of contents, wherever it is. */
export interface Contents {
  readonly staging: Staging
  prepare(): Promise<void>
  stage(id: QueueId): ContentSink
  /** Puts the content under its final, durable name, or leaves it in memory when it goes into the store itself. */
  place(id: QueueId, content: NewContent): Promise<PlacedContent>
  remove(id: QueueId): Promise<void>
  /** For a message that is in the spool already. */
  unstage(id: QueueId): Promise<void>
  /** For a message that was never accepted. */
  discard(id: QueueId): Promise<void>
  /** After one read against its hash, so that nothing damaged is ever sent. */
  open(id: QueueId, expected: { readonly size: number; readonly sha256: Uint8Array }): Promise<Content>
  /** For a sweep: the parts that hold content, one at a time to keep it small. */
  directories(): Promise<readonly string[]>
  files(directory: string): Promise<readonly ContentFile[]>
  drop(file: ContentFile): Promise<void>
}

export class ContentStore implements Contents {
  readonly #root: string
  readonly #inlineBytesMax: number
  readonly #hooks: SpoolHooks
  readonly #onTrouble: (error: unknown) => void
  readonly #isThere: () => Promise<boolean>
  /** Directories that are being made. */
  readonly #making = new Map<string, Promise<void>>()

  constructor(place: ContentPlace, hooks: SpoolHooks, onTrouble: (error: unknown) => void) {
    this.#root = place.root
    this.#inlineBytesMax = place.inlineBytesMax
    this.#hooks = hooks
    this.#onTrouble = onTrouble
    this.#isThere = place.isThere ?? (async () => true)
  }

  async prepare(): Promise<void> {
    await makeDurableDirectory(join(this.#root, 'incoming'), this.#hooks)
  }

  stage(id: QueueId): StagedContent {
    const place: StagingPlace = {
      path: this.#incoming(id),
      inlineBytesMax: this.#inlineBytesMax,
      hooks: this.#hooks,
      onTrouble: this.#onTrouble,
    }
    return new StagedContent(place)
  }

  /** Where contents arrive, for whoever stages them in another thread, and the ear for trouble there. */
  get staging(): Staging {
    const place = { root: this.#root, inlineBytesMax: this.#inlineBytesMax }
    return { place, onTrouble: this.#onTrouble }
  }

  /** Puts the content under its final, durable name, or leaves it in memory when it goes into the store itself. */
  async place(id: QueueId, content: NewContent): Promise<PlacedContent> {
    if (content.kind === 'memory') {
      if (content.bytes.byteLength <= this.#inlineBytesMax) return { kind: 'inline', bytes: content.bytes }
      const sink = this.stage(id)
      await sink.write(content.bytes)
      return await this.place(id, await sink.finish())
    }
    const directory = await this.#directory(id)
    await this.#rename(this.#incoming(id), join(directory, id))
    await fsyncDirectory(directory, this.#hooks)
    return { kind: 'file', size: content.size, sha256: Buffer.from(content.sha256, 'hex') }
  }

  /** Settle first, unlink after: a file that stays behind is swept, a missing one would be lost mail. */
  async remove(id: QueueId): Promise<void> {
    this.#hooks.faults?.pass('file-unlink')
    await unlinkIfThere(this.#final(id))
  }

  /** For a message that is in the spool already. */
  async unstage(id: QueueId): Promise<void> {
    await unlinkIfThere(this.#incoming(id))
  }

  /** For a message that was never accepted. */
  async discard(id: QueueId): Promise<void> {
    await this.unstage(id)
    await unlinkIfThere(this.#final(id))
  }

  /** The file after one read against its hash, so that nothing damaged is ever sent. */
  async open(id: QueueId, expected: { readonly size: number; readonly sha256: Uint8Array }): Promise<Content> {
    const path = this.#final(id)
    const { size, sha256 } = await this.#digest(path)
    if (size !== expected.size || !sha256.equals(expected.sha256)) {
      throw new ContentUnreadable(`${id}: the content file does not match its hash`)
    }
    return this.openRead(id, size)
  }

  /** A file that was read against its hash already. */
  openRead(id: QueueId, size: number): Content {
    const path = this.#final(id)
    return { kind: 'file', size, open: () => createReadStream(path, { highWaterMark: READ_CHUNK_BYTES }) }
  }

  /** The directories that hold content, one at a time to keep a sweep small. */
  async directories(): Promise<readonly string[]> {
    return (await readdir(this.#root)).map((name) => join(this.#root, name))
  }

  /** Files with the name of a queue id; others are not ours and stay. */
  async files(directory: string): Promise<readonly ContentFile[]> {
    const files: ContentFile[] = []
    for (const name of await readdir(directory)) {
      const id = parseQueueId(name)
      if (id === undefined) continue
      const path = join(directory, name)
      try {
        files.push({ id, path, modifiedAt: (await stat(path)).mtimeMs })
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }
    return files
  }

  drop({ path }: ContentFile): Promise<void> {
    return unlinkIfThere(path)
  }

  /** Where a content has its final name. */
  pathOf(id: QueueId): string {
    return this.#final(id)
  }

  /** Where one arrives. */
  incomingPath(id: QueueId): string {
    return this.#incoming(id)
  }

  /** A time-ordered id begins like all of its week, so its random end spreads the files. */
  async #directory(id: QueueId): Promise<string> {
    const path = join(this.#root, id.slice(-2))
    // One at a time: whoever finds it there must not go on before it is durable.
    const making = this.#making.get(path) ?? makeDurableDirectory(path, this.#hooks)
    this.#making.set(path, making)
    try {
      await making
    } finally {
      this.#making.delete(path)
    }
    return path
  }

  /** A repeated accept finds its file renamed already. */
  async #rename(from: string, to: string): Promise<void> {
    try {
      this.#hooks.faults?.pass('file-rename')
      await rename(from, to)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
      await access(to)
    }
  }

  async #digest(path: string): Promise<{ size: number; sha256: Buffer }> {
    try {
      const hash = createHash('sha256')
      const file = await open(path, 'r', FILE_MODE)
      try {
        const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES)
        for (let size = 0; ; ) {
          const { bytesRead } = await file.read(chunk, 0, chunk.length, size)
          if (bytesRead === 0) return { size, sha256: hash.digest() }
          hash.update(chunk.subarray(0, bytesRead))
          size += bytesRead
        }
      } finally {
        await file.close()
      }
    } catch (error) {
      if (NOT_NOW.some((code) => isErrno(error, code)))
        throw new StoreUnavailable(`the content file cannot be read now: ${errorCode(error)}`, { cause: error })
      if (await this.#isThere()) throw new ContentUnreadable('the content file cannot be read', { cause: error })
      this.#onTrouble(error)
      throw new StoreUnavailable('the directory of contents is not there', { cause: error })
    }
  }

  #incoming(id: QueueId): string {
    return join(this.#root, 'incoming', id)
  }

  #final(id: QueueId): string {
    return join(this.#root, id.slice(-2), id)
  }
}
