/**
 * What relays that share policies remember together of DANE: a key that is there once one of them delivered with it
 * (architecture, decision 6), beside the shared policies. A deadline bounds every call.
 */
import { DaneMemoryUnavailable } from '../ports/dane-memory.ts'
import type { RedisScriptName, RedisScripts } from './redis-scripts.ts'

export class RedisDaneEnabled {
  readonly #scripts: RedisScripts

  constructor(scripts: RedisScripts) {
    this.#scripts = scripts
  }

  /** Rejects with `DaneMemoryUnavailable`, which is not "no". */
  async wasOn(): Promise<boolean> {
    return (await this.#run('dane-on-read')) !== null
  }

  async write(dane: 'on' | 'off'): Promise<void> {
    await this.#run('dane-on-write', dane)
  }

  async #run(name: RedisScriptName, ...args: readonly string[]): Promise<unknown> {
    try {
      return await this.#scripts.run(name, ...args)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new DaneMemoryUnavailable(`whether DANE was on could not be told or kept (${name}): ${why}`, { cause })
    }
  }
}
