/** The content of one message, from the store or from its file, verified by whoever keeps it. */
import type { Contents } from './content-store.ts'
import type { QueueId } from './queue-id.ts'
import { type Content, ContentUnreadable } from './spool.ts'
import type { SpoolStore } from './store-protocol.ts'

export interface ContentPlaces {
  readonly link: SpoolStore
  readonly contents: Contents
}

/** Rejects with `ContentUnreadable`, or with `StoreUnavailable`. */
export async function readContent({ link, contents }: ContentPlaces, id: QueueId): Promise<Content> {
  const read = await link.ask('read', { id })
  if (read.kind === 'file') return await contents.open(id, read)
  if (read.kind !== 'inline') throw new ContentUnreadable(`${id}: the content is ${read.kind}`)
  return { kind: 'memory', size: read.bytes.byteLength, bytes: read.bytes }
}
