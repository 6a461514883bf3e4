/**
 * Adapter of `DaneMemory` for many processes: one sorted set beside the shared policies, so that a loss is told once
 * and not once by each of them. A deadline bounds every call.
 */
import { type DaneMemory, DaneMemoryUnavailable, type DaneSubject } from '../ports/dane-memory.ts'
import type { RedisScriptName, RedisScripts } from './redis-scripts.ts'

/** A subject takes about a hundred octets. */
export const SHARED_DANE_SUBJECTS_MAX = 50_000

export class RedisDaneMemory implements DaneMemory {
  readonly #scripts: RedisScripts
  readonly #max: number

  constructor({ scripts, max = SHARED_DANE_SUBJECTS_MAX }: { readonly scripts: RedisScripts; readonly max?: number }) {
    this.#scripts = scripts
    this.#max = max
  }

  async lastSeen(subject: DaneSubject): Promise<number | undefined> {
    const seenAt = await this.#run('dane-seen', keyOf(subject))
    return seenAt === null ? undefined : Number(seenAt)
  }

  async remember(subject: DaneSubject, seenAt: number): Promise<void> {
    await this.#run('dane-remember', keyOf(subject), seenAt, this.#max)
  }

  async forget(subject: DaneSubject): Promise<boolean> {
    return (await this.#run('dane-forget', keyOf(subject))) === 1
  }

  async #run(name: RedisScriptName, ...args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#scripts.run(name, ...args)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new DaneMemoryUnavailable(`the memory of DANE could not run ${name}: ${why}`, { cause })
    }
  }
}

function keyOf(subject: DaneSubject): string {
  return subject.kind === 'tlsa' ? `tlsa ${subject.host} ${subject.port}` : `mx ${subject.nextHop}`
}
