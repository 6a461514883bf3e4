/**
 * What the data_dir remembers of DANE: a small file that is there once mail was delivered with it (architecture,
 * decision 6). It survives a power cut before the first such delivery; only `dane.enabled = false` removes it.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogEvent } from '../observability/log-events.ts'

export interface DnssecMemory {
  readonly remembered: boolean
  remember(dane: 'on' | 'off'): Promise<void>
}

const NAME = 'dane-enabled'
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700
const TEXT =
  'DANE is on for this data_dir: mail waits when nobody validates DNSSEC. Only dane.enabled = false ends that.\n'

export async function openDnssecMemory(dataDir: string, emit: (event: LogEvent) => void): Promise<DnssecMemory> {
  const path = join(dataDir, NAME)
  const there = await isThere(path)
  if (there === 'unreadable') emit({ event: 'dnssec-memory-failed', operation: 'read', path, detail: 'unreadable' })
  // Not knowing is not knowing of none: then it was on.
  let remembered = there !== 'absent'
  return {
    remembered,
    remember: async (dane) => {
      if ((dane === 'on') === remembered && there !== 'unreadable') return
      try {
        await (dane === 'on' ? write(dataDir, path) : remove(dataDir, path))
        remembered = dane === 'on'
      } catch (error) {
        emit({ event: 'dnssec-memory-failed', operation: 'write', path, detail: String(error) })
      }
    },
  }
}

async function isThere(path: string): Promise<'there' | 'absent' | 'unreadable'> {
  try {
    await readFile(path)
    return 'there'
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'absent' : 'unreadable'
  }
}

async function write(dataDir: string, path: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: DIRECTORY_MODE })
  const file = await open(`${path}.new`, 'w', FILE_MODE)
  try {
    await file.writeFile(TEXT)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  await syncDirectory(dataDir)
}

async function remove(dataDir: string, path: string): Promise<void> {
  await rm(path, { force: true })
  await syncDirectory(dataDir)
}

async function syncDirectory(dataDir: string): Promise<void> {
  const directory = await open(dataDir, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
