/**
 * The audit of the API: who ordered what, with which words, from where, and what came of it. A line before the order and
 * one after it, both on disk before anything goes on; while the first cannot be written nothing is ordered.
 */
import { open, rename, stat } from 'node:fs/promises'
import { FILE_MODE } from '../spool/durable-file.ts'

export interface AuditBegin {
  readonly id: string
  /** ISO 8601. */
  readonly at: string
  readonly token: string
  readonly client: string
  readonly operation: string
  /** The path, the query and the body, as they were understood. */
  readonly request: unknown
}

export interface AuditEnd {
  readonly id: string
  readonly at: string
  /** HTTP status. */
  readonly status: number
  /** Messages that were changed, where an order is about messages. */
  readonly messages?: number | undefined
  readonly detail?: string | undefined
}

export type AuditLine = ({ readonly kind: 'begin' } & AuditBegin) | ({ readonly kind: 'end' } & AuditEnd)

export const AUDIT_NAME = 'api-audit.jsonl'
/** Then it is put aside, and the one before it is gone: two of them hold some hundred thousand orders. */
const FILE_OCTETS_MAX = 64 * 1024 * 1024
/** Of what somebody asked for: a thousand ids fit. */
const REQUEST_OCTETS_MAX = 64 * 1024

export class ApiAudit {
  readonly path: string
  readonly #octetsMax: number
  #turn: Promise<unknown> = Promise.resolve()

  constructor(path: string, octetsMax = FILE_OCTETS_MAX) {
    this.path = path
    this.#octetsMax = octetsMax
  }

  /** Resolves when it is on disk. */
  begin(entry: AuditBegin): Promise<void> {
    const { request } = entry
    const text = JSON.stringify(request) ?? 'null'
    const kept = text.length <= REQUEST_OCTETS_MAX ? request : { cut: text.slice(0, REQUEST_OCTETS_MAX) }
    return this.#append({ kind: 'begin', ...entry, request: kept })
  }

  end(entry: AuditEnd): Promise<void> {
    return this.#append({ kind: 'end', ...entry })
  }

  /** One after the other: lines do not mix, and the file is put aside between two of them. */
  #append(line: AuditLine): Promise<void> {
    const next = this.#turn.then(() => this.#appendNow(`${JSON.stringify(line)}\n`))
    this.#turn = next.catch(() => undefined)
    return next
  }

  async #appendNow(text: string): Promise<void> {
    const size = await stat(this.path).then(
      (found) => found.size,
      () => 0,
    )
    if (size > this.#octetsMax) await rename(this.path, `${this.path}.1`)
    const handle = await open(this.path, 'a', FILE_MODE)
    try {
      await handle.writeFile(text)
      await handle.datasync()
    } finally {
      await handle.close()
    }
  }
}
