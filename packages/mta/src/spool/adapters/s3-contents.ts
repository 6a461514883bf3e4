/**
 * Contents in a bucket: each an object with the name of its message, which owns it alone. They arrive in a directory of
 * this process, go to the bucket before the envelope is written, and stay there a while for the deliveries that follow;
 * what is not there is fetched, and read against its hash before anything is sent. Which ids exist the store knows.
 */

import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ContentFile, ContentStore, Contents, PlacedContent, Staging } from '../content-store.ts'
import { FILE_MODE } from '../durable-file.ts'
import { newQueueId, parseQueueId, type QueueId } from '../queue-id.ts'
import { type Content, type ContentSink, ContentUnreadable, type NewContent, StoreUnavailable } from '../spool.ts'
import { MARK_BEGIN, type MarkedPlace, PROBE_BEGIN } from './redis-content-owner.ts'
import { type S3Bucket, S3Failed } from './s3-bucket.ts'

/** A copy is of use while its message is fresh. */
const COPY_MS_MAX = 60 * 60 * 1000
const DIRECTORY_MODE = 0o700

export class S3Contents implements Contents {
  readonly #local: ContentStore
  readonly #bucket: S3Bucket
  readonly #now: () => number

  constructor(local: ContentStore, bucket: S3Bucket, now: () => number) {
    this.#local = local
    this.#bucket = bucket
    this.#now = now
  }

  get staging(): Staging {
    return this.#local.staging
  }

  stage(id: QueueId): ContentSink {
    return this.#local.stage(id)
  }

  prepare(): Promise<void> {
    return this.#local.prepare()
  }

  async place(id: QueueId, content: NewContent): Promise<PlacedContent> {
    const placed = await this.#local.place(id, content)
    if (placed.kind === 'inline') return placed
    try {
      await this.#bucket.putFile(nameOf(id), this.#local.pathOf(id))
    } catch (error) {
      throw unavailable(error)
    }
    return placed
  }

  /** Settle first, remove after: an object that stays behind is swept. */
  async remove(id: QueueId): Promise<void> {
    await this.#local.remove(id)
    await this.#bucket.remove(nameOf(id))
  }

  unstage(id: QueueId): Promise<void> {
    return this.#local.unstage(id)
  }

  async discard(id: QueueId): Promise<void> {
    await this.#local.discard(id)
    await this.#bucket.remove(nameOf(id))
  }

  async open(id: QueueId, expected: { readonly size: number; readonly sha256: Uint8Array }): Promise<Content> {
    try {
      const content = await this.#local.open(id, expected)
      await this.#use(id)
      return content
    } catch (error) {
      if (!(error instanceof ContentUnreadable)) throw error
    }
    await this.#fetch(id)
    return await this.#local.open(id, expected)
  }

  /** A copy that is about to be sent is not removed as an old one. */
  async #use(id: QueueId): Promise<void> {
    const now = new Date()
    await utimes(this.#local.pathOf(id), now, now).catch(() => undefined)
  }

  async #fetch(id: QueueId): Promise<void> {
    const path = this.#local.pathOf(id)
    // Two deliveries may fetch the same: each to a name of its own.
    const arriving = this.#local.incomingPath(newQueueId())
    try {
      await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE })
      const body = await this.#bucket.get(nameOf(id))
      await pipeline(body, createWriteStream(arriving, { mode: FILE_MODE }))
      await rename(arriving, path)
    } catch (error) {
      await rm(arriving, { force: true })
      if (error instanceof S3Failed && error.code === 'NoSuchKey') {
        throw new ContentUnreadable(`${id}: the bucket has no such content`, { cause: error })
      }
      throw unavailable(error)
    }
  }

  /** Of names in the bucket, one beginning at a time; copies that have served are removed on the way. */
  async directories(): Promise<readonly string[]> {
    for (const directory of await this.#local.directories()) {
      const copies = await this.#local.files(directory)
      for (const copy of copies) {
        if (copy.modifiedAt < Date.now() - COPY_MS_MAX) await this.#local.drop(copy)
      }
    }
    return Array.from({ length: 16 }, (_, n) => n.toString(16))
  }

  async files(directory: string): Promise<readonly ContentFile[]> {
    const objects = await this.#bucket.list(directory)
    return objects.flatMap(({ name, ageMs }) => {
      const id = parseQueueId(name.slice(name.indexOf('/') + 1))
      return id === undefined || name !== nameOf(id) ? [] : [{ id, path: name, modifiedAt: this.#now() - ageMs }]
    })
  }

  drop({ path }: ContentFile): Promise<void> {
    return this.#bucket.remove(path)
  }
}

/** Marks are empty objects; names of contents come before them in the order of all names. */
export function markedBucket(bucket: S3Bucket): MarkedPlace {
  const marks = async (): Promise<readonly string[]> => (await bucket.list(MARK_BEGIN)).map(({ name }) => name)
  return {
    marks,
    isMarked: async (mark) => (await marks()).includes(mark),
    mark: (mark) => bucket.put(mark, new Uint8Array()),
    unmark: (mark) => bucket.remove(mark),
    holdsContents: async () => {
      const first = await bucket.first()
      return first !== undefined && !first.startsWith(MARK_BEGIN) && !first.startsWith(PROBE_BEGIN)
    },
  }
}

function nameOf(id: QueueId): string {
  return `${id.slice(-2)}/${id}`
}

/** Not lost: whoever needs it waits. */
function unavailable(error: unknown): StoreUnavailable {
  const detail = error instanceof S3Failed ? error.message : 'a file in data_dir cannot be written'
  return new StoreUnavailable(`the content is not to be had now: ${detail}`, { cause: error })
}
