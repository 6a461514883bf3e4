/**
 * What operators did to shared policies from a command line that has no log of its own: noted in Redis, and handed
 * over once to a relay that has one.
 */
import type { PolicyPurge } from '../mta-sts/purge.ts'
import { PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import { list, readDomain, readMode } from './redis-policy-entry.ts'
import type { RedisScriptName, RedisScripts } from './redis-scripts.ts'

/** Then those noted first are forgotten: nobody has come for them. */
const ORDERS_MAX = 10_000

export class RedisPolicyOrders {
  readonly #scripts: RedisScripts

  constructor(scripts: RedisScripts) {
    this.#scripts = scripts
  }

  async noteOrder({ at, by, policyDomain, mode }: PolicyPurge): Promise<void> {
    await this.#run('order-note', JSON.stringify({ at, by, policyDomain, mode }), ORDERS_MAX)
  }

  /** In the order in which they were noted; what cannot be read is left out. */
  async takeOrders(): Promise<readonly PolicyPurge[]> {
    return list(await this.#run('order-take')).flatMap((text) => readOrder(String(text)) ?? [])
  }

  async #run(name: RedisScriptName, ...args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#scripts.run(name, ...args)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new PolicyCacheUnavailable(`the policy cache could not run ${name}: ${why}`, { cause })
    }
  }
}

function readOrder(text: string): PolicyPurge | undefined {
  const order = parsed(text)
  if (typeof order !== 'object' || order === null) return undefined
  const { at, by, policyDomain, mode } = order as Partial<Record<keyof PolicyPurge, unknown>>
  const domain = readDomain(policyDomain)
  if (typeof at !== 'number' || typeof by !== 'string' || domain === undefined) return undefined
  return { at, by, policyDomain: domain, mode: readMode(mode) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
