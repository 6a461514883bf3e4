/**
 * The list that relays share: in Redis under a hash tag of its own, outside the queue's. Several steps that belong
 * together are one script; entries are JSON, made here and passed through.
 */

import { runScript, type Script } from '@hermetic/policy/redis-script'
import type { RedisClient } from '../../redis/adapters/redis-connection.ts'
import { redisTrouble } from '../../redis/redis-trouble.ts'
import { loadScript } from '../../redis/scripts.ts'
import {
  type Noted,
  type Suppressed,
  type SuppressionKey,
  type SuppressionList,
  type SuppressionTerms,
  SuppressionUnavailable,
} from '../suppression-list.ts'

export interface RedisSuppressionOptions {
  /** Of the caller, who closes it. */
  readonly client: RedisClient
  /** The queue whose relays share the list. */
  readonly queue: string
  /** Read at each operation: they may change while the relay runs. */
  readonly terms: () => SuppressionTerms
  /** UTC milliseconds. */
  readonly now: () => number
}

const SCRIPTS = {
  find: script('./redis-suppression-find.lua'),
  note: script('./redis-suppression-note.lua'),
  add: script('./redis-suppression-add.lua'),
  remove: script('./redis-suppression-remove.lua'),
  list: script('./redis-suppression-list.lua'),
}

function script(file: string): Script {
  return loadScript(import.meta.url, './redis-suppression-prelude.lua', file)
}

const PARTS = ['entries', 'until', 'names', 'bounced', 'strikes', 'windows'] as const

export function createRedisSuppression(options: RedisSuppressionOptions): SuppressionList {
  return new SharedSuppression(options)
}

class SharedSuppression implements SuppressionList {
  readonly #options: RedisSuppressionOptions
  readonly #keys: readonly string[]

  constructor(options: RedisSuppressionOptions) {
    this.#options = options
    this.#keys = PARTS.map((part) => `{hermetic:${options.queue}:suppression}:${part}`)
  }

  async find(addresses: readonly SuppressionKey[]): Promise<ReadonlyMap<SuppressionKey, Suppressed>> {
    if (addresses.length === 0) return new Map()
    const found = entriesOf(await this.#run(SCRIPTS.find, addresses))
    return new Map(found.map((entry) => [entry.address, entry]))
  }

  async note({ refused, delivered }: Noted): Promise<readonly Suppressed[]> {
    const now = this.#options.now()
    const { strikes, windowMs, expiryMs } = this.#options.terms()
    const refusals = refused.flatMap(({ address, status }) => {
      const entry: Suppressed = { address, since: now, until: now + expiryMs, by: 'bounces', status }
      return [address, JSON.stringify(entry)]
    })
    const args = [strikes, now + windowMs, now + expiryMs, delivered.length, ...delivered, ...refusals]
    return entriesOf(await this.#run(SCRIPTS.note, args))
  }

  async add({ address, until, ...words }: Omit<Suppressed, 'since' | 'by'>): Promise<'added' | 'full'> {
    const entry: Suppressed = { address, since: this.#options.now(), until, by: 'operator', ...words }
    return (await this.#run(SCRIPTS.add, [address, JSON.stringify(entry), until])) === 1 ? 'added' : 'full'
  }

  async remove(address: SuppressionKey): Promise<boolean> {
    return (await this.#run(SCRIPTS.remove, [address])) === 1
  }

  async list(page: { readonly limit: number; readonly after?: SuppressionKey }): Promise<readonly Suppressed[]> {
    return entriesOf(await this.#run(SCRIPTS.list, [page.after ?? '', page.limit]))
  }

  async count(): Promise<number> {
    const { client, now } = this.#options
    const [, ends = ''] = this.#keys
    return this.#asked(() => client.zcount(ends, `(${now()}`, '+inf'))
  }

  #run(one: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { client, terms, now } = this.#options
    return this.#asked(() => runScript(client, one, { keys: this.#keys, args: [now(), terms().entriesMax, ...args] }))
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw new SuppressionUnavailable(redisTrouble(error))
    }
  }
}

/** Nobody else writes these keys: what is in them was made above. */
function entriesOf(answer: unknown): readonly Suppressed[] {
  return Array.isArray(answer) ? answer.map((text) => JSON.parse(String(text)) as Suppressed) : []
}
