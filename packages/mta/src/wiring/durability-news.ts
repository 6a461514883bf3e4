/**
 * What the servers that we connect to say of their durability: told when it changes, and remembered for operators.
 */
import { type DurabilityVerdict, formatFinding } from '../spool/adapters/redis-durability.ts'
import type { SpoolEvent } from '../spool/events.ts'

export class DurabilityNews {
  readonly #wanted: 'strict' | 'relaxed'
  readonly #emit: (event: SpoolEvent) => void
  #told = ''
  #weakness: string | undefined

  constructor(wanted: 'strict' | 'relaxed', emit: (event: SpoolEvent) => void) {
    this.#wanted = wanted
    this.#emit = emit
  }

  /** What the server in use may lose, and why; undefined: nothing. */
  get weakness(): string | undefined {
    return this.#weakness
  }

  judged({ kind, findings }: DurabilityVerdict): void {
    const text = findings.map(formatFinding).join('; ')
    const isUsed = kind === 'durable' || (kind === 'weak' && this.#wanted === 'relaxed')
    if (isUsed) this.#weakness = kind === 'weak' ? text : undefined
    const news = `${isUsed} ${text}`
    if (news === this.#told) return
    this.#told = news
    if (kind === 'durable') this.#emit({ event: 'spool-durable' })
    else if (isUsed) this.#emit({ event: 'spool-durability-relaxed', findings: text })
    else this.#emit({ event: 'spool-server-refused', findings: text })
  }
}
