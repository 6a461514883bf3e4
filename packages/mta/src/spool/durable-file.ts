/**
 * The few file operations whose order makes a promise: a name that survives a power cut is written, fsynced,
 * renamed, and then its directory is fsynced. Knows nothing of what the bytes mean.
 */
import { mkdir, open, stat, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { SpoolHooks } from './faults.ts'

/** Owner only: contents and envelopes are other people's mail. */
export const FILE_MODE = 0o600
export const DIRECTORY_MODE = 0o700

/** Makes names created, renamed or removed in a directory survive a power cut. */
export async function fsyncDirectory(path: string, hooks: SpoolHooks): Promise<void> {
  hooks.faults?.pass('directory-fsync')
  if (hooks.weaken?.skipDirectoryFsync === true) return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** A directory, and those above it that are missing; all of them survive a power cut. */
export async function makeDurableDirectory(path: string, hooks: SpoolHooks): Promise<void> {
  const at = resolve(path)
  const made = await makeDirectory(at)
  if (made === 'there') return
  if (made === 'no-parent') {
    await makeDurableDirectory(dirname(at), hooks)
    await mkdir(at, { mode: DIRECTORY_MODE })
  }
  await fsyncDirectory(dirname(at), hooks)
}

/** One level at a time: `recursive` never ends where the parent is there and a child still answers ENOENT (/proc). */
async function makeDirectory(path: string): Promise<'made' | 'there' | 'no-parent'> {
  try {
    await mkdir(path, { mode: DIRECTORY_MODE })
    return 'made'
  } catch (error) {
    if (isErrno(error, 'EEXIST') && (await stat(path)).isDirectory()) return 'there'
    if (isErrno(error, 'ENOENT') && dirname(path) !== path) return 'no-parent'
    throw error
  }
}

/** Removes a name; that it is gone already is the same to the caller. */
export async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** The code of a system error, for events; other errors by their name. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? error.name : 'unknown'
}
