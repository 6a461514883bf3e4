/**
 * An export into a file that survives power cuts at every step: written under a name of its own, synced, renamed, and
 * only then, for a move, the messages leave the spool. Whoever was stopped goes on where the last whole block ends, or
 * with the removal. The spool remembers which file its messages leave with, so that no other spool gives up its own.
 */
import { createReadStream, existsSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { err, ok, type Result } from '@hermetic/policy'
import { QueueFileDamaged, type QueueFileHeader } from '../queue-file/queue-file.ts'
import { QueueFileReader } from '../queue-file/queue-file-reader.ts'
import { QueueFileWriter } from '../queue-file/queue-file-writer.ts'
import { FILE_MODE, fsyncDirectory } from '../spool/durable-file.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { type ExportCounts, type ExportOptions, exportQueue, type MovableQueue } from './export-queue.ts'
import { isHeldForMove } from './moving-hold.ts'

export interface ExportFileOptions extends Pick<ExportOptions, 'queue' | 'pause' | 'onProgress'> {
  readonly path: string
  /** Of a new file; one that goes on has its own. */
  readonly header: QueueFileHeader
  readonly onResumed?: (messages: number) => void
  readonly onRemoval?: (counts: RemovalCounts) => void
}

export interface RemovalCounts {
  readonly removed: number
  /** In the file and still in the queue: somebody has released them since. */
  readonly kept: number
}

export type ExportFileOutcome = ExportCounts & {
  /** Of a move. */
  readonly removal?: RemovalCounts & { readonly stillHeld: readonly QueueId[] }
}

export type ExportFileProblem =
  /** A complete file of that name is there, and it is not the move of this queue that was interrupted. */
  | { readonly kind: 'there-already'; readonly path: string }
  /** An unfinished file that cannot be gone on with. */
  | { readonly kind: 'unfinished-other'; readonly path: string; readonly detail: string }

export const PARTIAL = '.partial'
const REMOVED_AT_ONCE = 256
/** Named at the end; of more, these are enough to begin with. */
const STILL_HELD_MAX = 1000

export async function exportFile(options: ExportFileOptions): Promise<Result<ExportFileOutcome, ExportFileProblem>> {
  const { path } = options
  if (existsSync(path)) return await finishMove(options)
  const begun = await beginning(options)
  if (!begun.ok) return begun
  const { handle, header, messages, after } = begun.value
  let counts: ExportCounts
  try {
    const { queue, pause, onProgress } = options
    const move = header.kind === 'move' ? { move: header.file } : {}
    if (header.kind === 'move') await queue.moves.markLeaving(header.file)
    const writer = new QueueFileWriter(async (octets) => void (await handle.appendFile(octets)), messages)
    if (messages === 0 && after === undefined && begun.value.isNew) await writer.header(header)
    const where = { ...(after === undefined ? {} : { after }), ...(onProgress === undefined ? {} : { onProgress }) }
    counts = await exportQueue({ queue, pause, writer, ...move, ...where })
    await writer.end()
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${path}${PARTIAL}`, path)
  await fsyncDirectory(dirname(resolve(path)), {})
  return header.kind === 'copy' ? ok(counts) : ok({ ...counts, removal: await removed(options, header.file) })
}

interface Beginning {
  readonly handle: FileHandle
  readonly header: QueueFileHeader
  readonly isNew: boolean
  readonly messages: number
  readonly after?: QueueId
}

/** A new file, or what an earlier run left, cut behind its last whole block. */
async function beginning({
  path,
  header,
  queue,
  onResumed,
}: ExportFileOptions): Promise<Result<Beginning, ExportFileProblem>> {
  const partial = `${path}${PARTIAL}`
  if (!existsSync(partial))
    return ok({ handle: await open(partial, 'ax', FILE_MODE), header, isNew: true, messages: 0 })
  const left = await standingOf(partial)
  if (left === undefined) {
    return ok({ handle: await open(partial, 'w', FILE_MODE), header, isNew: true, messages: 0 })
  }
  const other = (detail: string) => err({ kind: 'unfinished-other', path: partial, detail } as const)
  if (left.header.kind !== header.kind) return other(`it is of a ${left.header.kind}`)
  if (left.header.kind === 'move' && !(await queue.moves.isLeaving(left.header.file)))
    return other('it is of another queue')
  const handle = await open(partial, 'a', FILE_MODE)
  await handle.truncate(left.goOnAt)
  onResumed?.(left.messages)
  const { messages, last } = left
  return ok({ handle, header: left.header, isNew: false, messages, ...(last === undefined ? {} : { after: last }) })
}

/** How far a file has come; undefined when not even its header is whole. */
async function standingOf(path: string) {
  const reader = new QueueFileReader(createReadStream(path))
  let header: QueueFileHeader | undefined
  let last: QueueId | undefined
  let messages = 0
  let goOnAt = 0
  try {
    header = await reader.header()
    goOnAt = reader.intactUpTo
    for await (const { message, content } of reader.messages()) {
      for await (const _ of content());
      // Those that were waited for stand behind the others, with earlier ids.
      if (last === undefined || message.id > last) last = message.id
      messages += 1
      goOnAt = reader.intactUpTo
    }
  } catch (error) {
    if (!(error instanceof QueueFileDamaged)) throw error
  }
  // Also before an end that was written and not yet renamed: mail may have come since.
  return header === undefined ? undefined : { header, last, messages, goOnAt }
}

/** The file is complete: what is left of a move is the removal. */
async function finishMove(options: ExportFileOptions): Promise<Result<ExportFileOutcome, ExportFileProblem>> {
  const { path, queue, header } = options
  const there = { kind: 'there-already', path } as const
  const written = await new QueueFileReader(createReadStream(path)).header().catch((error: unknown) => {
    if (error instanceof QueueFileDamaged) return undefined
    throw error
  })
  if (written?.kind !== 'move' || header.kind !== 'move') return err(there)
  // Taken back in since: then these messages are this queue's own again.
  const isOurs = (await queue.moves.isLeaving(written.file)) && (await queue.moves.enteredUpTo(written.file)) === 0
  if (!isOurs) return err(there)
  const { messages, ...rest } = await removed(options, written.file)
  return ok({ messages, contentOctets: 0, left: [], removal: rest })
}

/** Removes what is in the file; then whatever is still held for it could not leave. */
async function removed(options: ExportFileOptions, file: string) {
  return { ...(await removal(options)), stillHeld: await stillHeld(options.queue, file) }
}

async function stillHeld({ moves }: MovableQueue, file: string): Promise<readonly QueueId[]> {
  const held: QueueId[] = []
  for (let after: QueueId | undefined; held.length < STILL_HELD_MAX; ) {
    const page = await moves.page({ limit: REMOVED_AT_ONCE, ...(after === undefined ? {} : { after }) })
    after = page.at(-1)?.message.id
    if (after === undefined) break
    for (const { message } of page) if (isHeldForMove(message, file)) held.push(message.id)
  }
  return held
}

async function removal({ queue, onRemoval, path }: ExportFileOptions) {
  const reader = new QueueFileReader(createReadStream(path))
  await reader.header()
  let [gone, kept, messages] = [0, 0, 0]
  let ids: QueueId[] = []
  const remove = async (): Promise<void> => {
    gone += (await queue.moves.takeOut(ids)).length
    kept += (await Promise.all(ids.map((id) => queue.moves.find(id)))).filter((one) => one !== undefined).length
    ids = []
    onRemoval?.({ removed: gone, kept })
  }
  for await (const { message, content } of reader.messages()) {
    for await (const _ of content());
    ids.push(message.id)
    messages += 1
    if (ids.length >= REMOVED_AT_ONCE) await remove()
  }
  await remove()
  return { removed: gone, kept, messages }
}
