/**
 * Removes content files without an envelope: what a crash left between a file and its envelope, or between a
 * settle and its unlink. Only files older than a day by the store's clock, because a younger one may belong to a
 * message that is being accepted right now.
 */
import type { ContentFile, Contents } from './content-store.ts'
import type { QueueId } from './queue-id.ts'

const ORPHAN_AGE_MS = 24 * 60 * 60 * 1000 // architecture §3
/** Ids asked of the store at once, so that a sweep never holds up mail. */
const IDS_PER_QUERY = 256

export interface Sweep {
  readonly contents: Contents
  readonly now: () => number
  /** Which of these ids have an envelope. */
  known(ids: readonly QueueId[]): Promise<ReadonlySet<QueueId>>
  onRemoved(name: string): void
}

export async function sweepOrphans(sweep: Sweep): Promise<void> {
  for (const directory of await sweep.contents.directories()) {
    const files = await sweep.contents.files(directory)
    const old = files.filter((file) => file.modifiedAt < sweep.now() - ORPHAN_AGE_MS)
    for (let at = 0; at < old.length; at += IDS_PER_QUERY) await sweepFiles(sweep, old.slice(at, at + IDS_PER_QUERY))
  }
}

async function sweepFiles(sweep: Sweep, files: readonly ContentFile[]): Promise<void> {
  const known = await sweep.known(files.map((file) => file.id))
  for (const file of files) {
    // An accepted message's file is never under `incoming/`, so a known id there is a leftover of a repetition; it waits.
    if (known.has(file.id)) continue
    await sweep.contents.drop(file)
    sweep.onRemoved(file.id)
  }
}
