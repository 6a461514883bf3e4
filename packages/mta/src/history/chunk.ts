/**
 * Entries that were recorded together, as one text: what many of them share (a session, a host that failed) stands
 * in it once. Sharing is told by identity, so it costs a look into a map. Pure.
 */
import type { SessionWords } from '../observability/delivery-record.ts'
import type { AttemptEntry, HistoryEntry, HostTrouble, SettledEntry } from './entry.ts'

/** Numbers in place of shared values. */
type Packed<T, K extends keyof T, P> = Omit<T, K> & { readonly [key in K]: P }
type PackedTrouble = Omit<HostTrouble, 'session'> & { readonly session?: number }
type PackedEntry =
  | Exclude<HistoryEntry, AttemptEntry | SettledEntry>
  | Packed<AttemptEntry, 'session', number>
  | Packed<SettledEntry, 'met', readonly number[]>

interface Chunk {
  readonly sessions: readonly SessionWords[]
  readonly troubles: readonly PackedTrouble[]
  readonly entries: readonly PackedEntry[]
}

export function encodeChunk(entries: readonly HistoryEntry[]): string {
  const sessions = new Shared<SessionWords>()
  const troubles = new Shared<HostTrouble>()
  const packed = entries.map((entry): PackedEntry => {
    if (entry.kind === 'attempt') return { ...entry, session: sessions.place(entry.session) }
    if (entry.kind === 'settled') return { ...entry, met: entry.met.map((trouble) => troubles.place(trouble)) }
    return entry
  })
  const packedTroubles = troubles.values.map(({ session, ...trouble }) =>
    session === undefined ? trouble : { ...trouble, session: sessions.place(session) },
  )
  return JSON.stringify({ sessions: sessions.values, troubles: packedTroubles, entries: packed } satisfies Chunk)
}

/** Undefined when the text is not what `encodeChunk` made: the file was damaged where no checksum is. */
export function decodeChunk(text: string): readonly HistoryEntry[] | undefined {
  try {
    // The store has no other writer; a text that is JSON still may not be whole.
    const { sessions, troubles, entries } = JSON.parse(text) as Chunk
    const sessionAt = (index: number): SessionWords => present(sessions[index])
    const whole = troubles.map(({ session, ...trouble }): HostTrouble => {
      return session === undefined ? trouble : { ...trouble, session: sessionAt(session) }
    })
    return entries.map((entry): HistoryEntry => {
      if (entry.kind === 'attempt') return { ...entry, session: sessionAt(entry.session) }
      if (entry.kind === 'settled') return { ...entry, met: entry.met.map((index) => present(whole[index])) }
      return entry
    })
  } catch {
    return undefined
  }
}

class Shared<T extends object> {
  readonly values: T[] = []
  readonly #places = new Map<T, number>()

  place(value: T): number {
    const known = this.#places.get(value)
    if (known !== undefined) return known
    this.#places.set(value, this.values.length)
    return this.values.push(value) - 1
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError('a chunk names what it does not have')
  return value
}
