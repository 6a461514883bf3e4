/**
 * What is remembered of DANE: that it was on (architecture, decision 6). A relay of its own keeps a small file in its
 * data_dir, which survives a power cut before the first delivery with DANE; relays that share policies keep it with
 * them. Only `dane.enabled = false` ends it.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { SharedPolicies } from '@hermetic/policy'
import type { LogEvent } from '../observability/log-events.ts'

export interface DnssecMemory {
  readonly remembered: boolean
  /** Tried once before it returns. A write that fails is told, and tried again until it is done or overtaken. */
  remember(dane: 'on' | 'off'): Promise<void>
}

/** Between two tries of a write that failed: a full disk is not mended in a second. */
const RETRY_MS = 30_000

const NAME = 'dane-enabled'
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700
const TEXT =
  'DANE is on for this data_dir: mail waits when nobody validates DNSSEC. Only dane.enabled = false ends that.\n'

/** Where it is kept; a read that fails is not "no". */
interface MemoryStore {
  /** For the log. */
  readonly path: string
  /** Others write it too, so what was read some time ago says little. */
  readonly shared: boolean
  read(): Promise<boolean>
  write(dane: 'on' | 'off'): Promise<void>
}

type Emit = (event: LogEvent) => void

/** Of one relay, in its data_dir. */
export function openDnssecMemory(dataDir: string, emit: Emit, retryMs: number = RETRY_MS): Promise<DnssecMemory> {
  const path = join(dataDir, NAME)
  const write: MemoryStore['write'] = (dane) => keep(dataDir, path, dane)
  return openStore({ path, shared: false, read: () => isThere(path), write }, emit, retryMs)
}

/** Of all relays that share policies. */
export function openSharedDnssecMemory(kept: SharedPolicies['daneEnabled'], emit: Emit): Promise<DnssecMemory> {
  const store: MemoryStore = { path: NAME, shared: true, read: () => kept.wasOn(), write: (dane) => kept.write(dane) }
  return openStore(store, emit, RETRY_MS)
}

async function openStore(store: MemoryStore, emit: Emit, retryMs: number): Promise<DnssecMemory> {
  const { path } = store
  const failed = (operation: 'read' | 'write', detail: string) =>
    emit({ event: 'dnssec-memory-failed', operation, path, detail })
  let sure = !store.shared
  // Not knowing is not knowing of none: then it was on.
  const remembered = await store.read().catch((error: unknown) => {
    failed('read', String(error))
    sure = false
    return true
  })
  let known = remembered
  let again: NodeJS.Timeout | undefined
  const remember: DnssecMemory['remember'] = async (dane) => {
    clearTimeout(again)
    if (sure && (dane === 'on') === known) return
    try {
      await store.write(dane)
      known = dane === 'on'
      sure = !store.shared
    } catch (error) {
      failed('write', String(error))
      again = setTimeout(() => void remember(dane), retryMs)
      // A relay that stops does not wait for it.
      again.unref()
    }
  }
  return { remembered, remember }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await readFile(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

function keep(dataDir: string, path: string, dane: 'on' | 'off'): Promise<void> {
  return dane === 'on' ? write(dataDir, path) : remove(dataDir, path)
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
