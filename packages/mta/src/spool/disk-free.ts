/** How much room a disk has left, or what a test says that it has. */
import { statfs } from 'node:fs/promises'
import type { SpoolHooks } from './faults.ts'

/** Undefined when the disk cannot say: then only `queue.max_bytes` limits. */
export async function diskFree(directory: string, hooks: SpoolHooks): Promise<number | undefined> {
  if (hooks.diskFreeBytes !== undefined) return hooks.diskFreeBytes()
  try {
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  } catch {
    return undefined
  }
}
