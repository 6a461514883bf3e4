/**
 * The rules that hold mail as a relay goes by them: a copy in memory that is read for every message, and the orders that
 * change them. Relays that share a queue read the rules of each other's operators again and again; when they cannot be
 * read, those that are known go on.
 */
import type { Envelope } from '../smtp/envelope.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import type { HoldEvent } from './events.ts'
import { HOLD_RULES_MAX, type HoldRule, isOver, means, ruleWords } from './hold-rule.ts'
import type { HoldRuleStore } from './hold-rule-store.ts'

export type HoldWish = Omit<HoldRule, 'since' | 'removedAt'>

/** What operators ask and order. */
export interface HoldAdmin {
  list(): Promise<readonly HoldRule[]>
  add(wish: HoldWish): Promise<'added' | 'full'>
  /** False: there is none, or it is over already. What it held is released from then on. */
  remove(id: string): Promise<boolean>
}

export interface HoldRulesOptions {
  readonly store: HoldRuleStore
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: (event: HoldEvent) => void
}

export class HoldRules implements HoldAdmin {
  readonly #options: HoldRulesOptions
  #known: readonly HoldRule[] = []

  constructor(options: HoldRulesOptions) {
    this.#options = options
  }

  /** As last read. */
  get known(): readonly HoldRule[] {
    return this.#known
  }

  async read(): Promise<readonly HoldRule[]> {
    this.#known = await this.#options.store.list()
    return this.#known
  }

  /** The oldest rule that means this recipient of the message. */
  ruleFor(envelope: Envelope, recipient: MailAddress): HoldRule | undefined {
    if (this.#known.length === 0) return undefined
    const now = this.#options.now()
    return this.#known.find((rule) => !isOver(rule, now) && means(rule, { envelope, recipient }))
  }

  list(): Promise<readonly HoldRule[]> {
    return this.read()
  }

  async add(wish: HoldWish): Promise<'added' | 'full'> {
    const { store, now, emit } = this.#options
    if ((await this.read()).length >= HOLD_RULES_MAX) return 'full'
    const rule: HoldRule = { ...wish, since: now() }
    await store.put(rule)
    await this.read()
    const { id, reason, until } = rule
    const end = until === undefined ? {} : { until }
    emit({ event: 'hold-rule-added', rule: id, means: ruleWords(rule), reason, ...end })
    return 'added'
  }

  async remove(id: string): Promise<boolean> {
    const { store, now, emit } = this.#options
    const rule = (await this.read()).find((one) => one.id === id)
    if (rule === undefined || isOver(rule, now())) return false
    await store.put({ ...rule, removedAt: now() })
    await this.read()
    emit({ event: 'hold-rule-removed', rule: id })
    return true
  }

  async forget({ id, removedAt }: HoldRule): Promise<void> {
    const { store, emit } = this.#options
    await store.drop(id)
    await this.read()
    emit({ event: 'hold-rule-ended', rule: id, by: removedAt === undefined ? 'time' : 'order' })
  }
}
