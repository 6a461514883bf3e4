/**
 * A small file that several processes may change: written whole, through a temporary file that is also the lock between
 * writers. Whoever reads it sees the old content or the new one, also after a power cut.
 */
import { open, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ok, type Result } from '@hermetic/policy'
import { FILE_MODE, fsyncDirectory, isErrno, unlinkIfThere } from './durable-file.ts'

/** A writer that takes longer has died. */
const STALE_LOCK_MS = 10_000
const LOCK_RETRY_MS = 50

export interface Rewritten<T> {
  readonly text: string
  readonly answer: T
}

/** `rewrite` reads the file; an error of it leaves everything as it was. */
export async function rewriteLocked<T>(
  path: string,
  rewrite: () => Promise<Result<Rewritten<T>, string>>,
): Promise<Result<T, string>> {
  const temporary = `${path}.new`
  const handle = await openExclusively(temporary)
  try {
    const rewritten = await rewrite()
    if (!rewritten.ok) {
      await unlink(temporary)
      return rewritten
    }
    await handle.writeFile(rewritten.value.text)
    await handle.sync()
    await rename(temporary, path)
    await fsyncDirectory(dirname(path), {})
    return ok(rewritten.value.answer)
  } finally {
    await handle.close()
  }
}

async function openExclusively(path: string): Promise<Awaited<ReturnType<typeof open>>> {
  for (;;) {
    try {
      return await open(path, 'wx', FILE_MODE)
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
    }
    const age = await stat(path).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    )
    if (age > STALE_LOCK_MS) await unlinkIfThere(path)
    else await delay(LOCK_RETRY_MS)
  }
}
