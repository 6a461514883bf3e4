/**
 * Keeps the rules that hold mail up to date, and releases what those held that are over. A rule is forgotten only when
 * nothing is left of what it held, and when every relay of the queue has read that it is over.
 */
import type { QueueChange, SpoolAdmin } from '../spool/spool.ts'
import type { HoldEvent } from './events.ts'
import { type HoldRule, isOver } from './hold-rule.ts'
import type { HoldRules } from './hold-rules.ts'

export interface HoldKeeperOptions {
  readonly rules: HoldRules
  readonly queue: Pick<SpoolAdmin, 'list' | 'change'>
  /** Their lanes have work. */
  readonly onReleased: (changes: readonly QueueChange[], rule: string) => void
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: (event: HoldEvent) => void
}

/** What one relay orders, the others know after this. */
const READ_MS = 1_000
const PAGE = 200
/** Another relay may still hold by a rule that it did not read again yet. */
const LINGER_MS = 30_000

export class HoldKeeper {
  readonly #options: HoldKeeperOptions
  #timer: NodeJS.Timeout | undefined
  #failing = false
  #stopped = false
  #step: Promise<void> = Promise.resolve()

  constructor(options: HoldKeeperOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#step = this.#look().then(() => this.start())
    }, READ_MS).unref()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#step
  }

  /** One look at all rules; never rejects. */
  async #look(): Promise<void> {
    const { rules, now, emit } = this.#options
    try {
      for (const rule of await rules.read()) if (isOver(rule, now())) await this.end(rule)
      this.#failing = false
    } catch (error) {
      if (!this.#failing) emit({ event: 'hold-rules-failing', detail: String(error) })
      this.#failing = true
    }
  }

  /** Releases what the rule held; forgets it when that is certain to be all. */
  async end(rule: HoldRule): Promise<void> {
    const { rules, queue, onReleased, now, emit } = this.#options
    const { id: name } = rule
    let messages = 0
    while (!this.#stopped) {
      const page = await queue.list({ rule: name }, { limit: PAGE })
      const ids = page.map(({ id }) => id)
      if (ids.length === 0) break
      const changes = await queue.change(ids, { kind: 'release', rule: name })
      onReleased(changes, name)
      const done = changes.filter(({ result }) => result === 'done').length
      messages += done
      if (done === 0) return
    }
    if (messages > 0) emit({ event: 'held-mail-released', rule: name, messages })
    const over = rule.removedAt ?? rule.until ?? now()
    if (!this.#stopped && now() - over > LINGER_MS) await rules.forget(rule)
  }
}
