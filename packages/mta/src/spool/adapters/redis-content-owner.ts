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

export interface ContentOwnership {
  readonly path: string
  readonly queue: string
  /** Where the server keeps the id. */
  readonly key: string
  readonly hooks: SpoolHooks
}

/** Answers the mark, or what is wrong. The first relay of a queue makes it. */
export async function ownContents(redis: RedisCalls, place: ContentOwnership): Promise<Result<string, string>> {
  const prefix = markPrefix(place.queue)
  const marks = (await readdir(place.path)).filter((name) => name.startsWith('of-'))
  const foreign = marks.find((mark) => !mark.startsWith(prefix))
  if (foreign !== undefined) return err(`${foreign} is there: another queue's`)

  const known = await redis.call('GET', place.key)
  if (known === null && (await holdsContents(place.path))) {
    return err('it has contents, and the server does not know this queue')
  }
  const id = known === null ? await makeMark(redis, { ...place, prefix, marks }) : String(known)
  const mark = `${prefix}${id}`
  if (await isOwned(place.path, mark)) return ok(mark)
  return err(`${mark} is not there: the queue's other relays use another directory`)
}

export function isOwned(path: string, mark: string): Promise<boolean> {
  return access(join(path, mark)).then(
    () => true,
    () => false,
  )
}

/** What the server must answer for the key of the owner. */
export function ownerIn(mark: string, queue: string): string {
  return mark.slice(markPrefix(queue).length)
}

function markPrefix(queue: string): string {
  return `of-${encodeURIComponent(queue)}-`
}

/** The mark comes first, so that a known id always has one; of two relays that start together one gives way. */
async function makeMark(
  redis: RedisCalls,
  {
    path,
    key,
    hooks,
    prefix,
    marks,
  }: ContentOwnership & { readonly prefix: string; readonly marks: readonly string[] },
): Promise<string> {
  const mine = randomUUID()
  await makeDurableDirectory(join(path, `${prefix}${mine}`), hooks)
  await redis.call('SET', key, mine, 'NX')
  const owner = String(await redis.call('GET', key))
  // What an earlier start left that did not come this far, or our own when another was first.
  const left = [...marks, `${prefix}${mine}`].filter((mark) => mark !== `${prefix}${owner}`)
  for (const mark of left) await rmdir(join(path, mark)).catch(ignoreMissing)
  return owner
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
