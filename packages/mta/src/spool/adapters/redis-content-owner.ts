/**
 * Whether a directory of contents is the one of this queue: an empty directory in it carries the queue's name and the
 * random id that the server keeps. A relay whose directory is not the shared one would find every large message
 * unreadable, and a sweep with a server that lost its data would remove what may be all that is left of the mail.
 */
import { randomUUID } from 'node:crypto'
import { access, readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { err, ok, type Result } from '@hermetic/policy'
import { isErrno, makeDurableDirectory } from '../durable-file.ts'
import type { SpoolHooks } from '../faults.ts'
import type { RedisCalls } from './redis-connection.ts'

/** A place of contents, and the marks in it. */
export interface MarkedPlace {
  /** All names that begin as marks do. */
  marks(): Promise<readonly string[]>
  isMarked(mark: string): Promise<boolean>
  mark(mark: string): Promise<void>
  unmark(mark: string): Promise<void>
  holdsContents(): Promise<boolean>
}

export const MARK_BEGIN = 'of-'
/** What `doctor` writes for a moment; comes after all other names. */
export const PROBE_BEGIN = 'probe-'

export interface ContentOwnership {
  readonly place: MarkedPlace
  readonly queue: string
  /** Where the server keeps the id. */
  readonly key: string
}

/** Answers the mark, or what is wrong. The first relay of a queue makes it. */
export async function ownContents(redis: RedisCalls, ownership: ContentOwnership): Promise<Result<string, string>> {
  const { place, key, queue } = ownership
  const prefix = markPrefix(queue)
  const marks = await place.marks()
  const foreign = marks.find((mark) => !mark.startsWith(prefix))
  if (foreign !== undefined) return err(`${foreign} is there: another queue's`)

  const known = await redis.call('GET', key)
  if (known === null && (await place.holdsContents())) {
    return err('it has contents, and the server does not know this queue')
  }
  const id = known === null ? await makeMark(redis, { ...ownership, prefix, marks }) : String(known)
  const mark = `${prefix}${id}`
  if (await place.isMarked(mark)) return ok(mark)
  return err(`${mark} is not there: the queue's other relays use another place`)
}

/** What the server must answer for the key of the owner. */
export function ownerIn(mark: string, queue: string): string {
  return mark.slice(markPrefix(queue).length)
}

function markPrefix(queue: string): string {
  return `${MARK_BEGIN}${encodeURIComponent(queue)}-`
}

/** The mark comes first, so that a known id always has one; of two relays that start together one gives way. */
async function makeMark(
  redis: RedisCalls,
  { place, key, prefix, marks }: ContentOwnership & { readonly prefix: string; readonly marks: readonly string[] },
): Promise<string> {
  const mine = randomUUID()
  await place.mark(`${prefix}${mine}`)
  await redis.call('SET', key, mine, 'NX')
  const owner = String(await redis.call('GET', key))
  // What an earlier start left that did not come this far, or our own when another was first.
  const left = [...marks, `${prefix}${mine}`].filter((mark) => mark !== `${prefix}${owner}`)
  for (const mark of left) await place.unmark(mark)
  return owner
}

/** Marks are empty directories. */
export function markedDirectory(path: string, hooks: SpoolHooks): MarkedPlace {
  return {
    marks: async () => (await readdir(path)).filter((name) => name.startsWith(MARK_BEGIN)),
    isMarked: (mark) =>
      access(join(path, mark)).then(
        () => true,
        () => false,
      ),
    mark: (mark) => makeDurableDirectory(join(path, mark), hooks),
    unmark: (mark) => rmdir(join(path, mark)).catch(ignoreMissing),
    holdsContents: () => holdsContents(path),
  }
}

async function holdsContents(path: string): Promise<boolean> {
  for (const name of await readdir(path)) {
    if (name === 'incoming' || name.startsWith('of-')) continue
    if ((await readdir(join(path, name)).catch(() => [])).length > 0) return true
  }
  return false
}

function ignoreMissing(error: unknown): void {
  if (!isErrno(error, 'ENOENT')) throw error
}
