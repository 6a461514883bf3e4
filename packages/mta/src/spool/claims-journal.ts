/**
 * `claims.journal`: which messages were in flight, for the start after a crash (architecture §3). Best effort:
 * written without a sync, because a killed process loses nothing that the kernel has. The file's absence is the
 * mark of a clean stop. It never quarantines; it only names suspects.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { FILE_MODE, isErrno } from './durable-file.ts'
import { parseQueueId, type QueueId } from './queue-id.ts'

/** Rewritten with what is still in flight once it grows past this. */
const REWRITE_BYTES = 1024 * 1024
const REWRITE_FACTOR = 2

/** A message that was in flight when the relay died. */
export interface Suspect {
  readonly id: QueueId
  /** In how many deaths in a row: 1 says little (every kill names all that is in flight). */
  readonly deaths: number
}

export class ClaimsJournal {
  readonly #path: string
  readonly #file: number
  /** In flight now, and suspects that nobody has tried since: id → claims held, deaths survived. */
  readonly #open = new Map<QueueId, { claims: number; deaths: number }>()
  #pending = ''
  #bytes = 0
  #rewriteAt = REWRITE_BYTES

  constructor(path: string, suspects: readonly Suspect[]) {
    this.#path = path
    for (const { id, deaths } of suspects) this.#open.set(id, { claims: 0, deaths })
    this.#file = openSync(path, 'a', FILE_MODE)
    this.#rewrite()
  }

  began(id: QueueId): void {
    const entry = this.#open.get(id)
    if (entry === undefined) this.#open.set(id, { claims: 1, deaths: 0 })
    else entry.claims += 1
    this.#pending += `+${id}\n`
  }

  /** The attempt ended without a crash: the message is no suspect any more. */
  ended(id: QueueId): void {
    const entry = this.#open.get(id)
    if (entry === undefined) return
    entry.claims -= 1
    if (entry.claims <= 0) this.#open.delete(id)
    this.#pending += `-${id}\n`
  }

  deaths(id: QueueId): number {
    return this.#open.get(id)?.deaths ?? 0
  }

  /** Hands the lines to the kernel; called before a claim is answered. Trouble here must not stop mail. */
  flush(): void {
    if (this.#pending === '') return
    const lines = this.#pending
    this.#pending = ''
    try {
      this.#bytes += writeSync(this.#file, lines)
      if (this.#bytes > this.#rewriteAt) this.#rewrite()
    } catch {
      // A full disk costs the attribution of a crash, not mail.
    }
  }

  /** The clean-shutdown mark. */
  closeClean(): void {
    closeSync(this.#file)
    // Whoever took the data_dir away meanwhile shall not keep the process from ending.
    rmSync(this.#path, { force: true })
  }

  #rewrite(): void {
    let text = ''
    for (const [id, { claims, deaths }] of this.#open) text += `!${id} ${deaths}\n${`+${id}\n`.repeat(claims)}`
    ftruncateSync(this.#file)
    this.#bytes = text === '' ? 0 : writeSync(this.#file, text)
    this.#rewriteAt = Math.max(REWRITE_BYTES, this.#bytes * REWRITE_FACTOR)
  }
}

/** The suspects that an earlier run left; none after a clean stop. */
export function readSuspects(path: string): readonly Suspect[] {
  try {
    return parseClaimsJournal(readFileSync(path, 'utf8'))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

const LINE = /^([+!-])(\S{36})(?: (\d{1,6}))?$/

/** Lines that are torn or unknown are skipped: the journal is a hint. */
export function parseClaimsJournal(text: string): readonly Suspect[] {
  const open = new Map<QueueId, { claims: number; deaths: number }>()
  for (const line of text.split('\n')) {
    const [, mark, name, deaths] = LINE.exec(line) ?? []
    const id = name === undefined ? undefined : parseQueueId(name)
    if (id === undefined) continue
    const entry = open.get(id) ?? { claims: 0, deaths: 0 }
    if (mark === '!') open.set(id, { ...entry, deaths: Number(deaths ?? 0) })
    if (mark === '+') open.set(id, { ...entry, claims: entry.claims + 1 })
    if (mark !== '-') continue
    if (entry.claims <= 1) open.delete(id)
    else open.set(id, { ...entry, claims: entry.claims - 1 })
  }
  return [...open].map(([id, { claims, deaths }]) => ({ id, deaths: deaths + (claims > 0 ? 1 : 0) }))
}
