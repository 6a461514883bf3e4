/**
 * Whether a replica has on its disk what was written on a connection (WAITAOF, Redis 7.2): asked once for all who wait,
 * one question at a time, as the server takes nothing else from the connection meanwhile. An answer that names no
 * replica says nothing of what became of the write: its outcome is unknown.
 */
import { type RedisArgument, type RedisReply, texts } from './redis-records.ts'
import type { RedisScriptName } from './redis-scripts.ts'

/** What is lost with a failover would be accepted mail, outcomes, or the right to send. */
export const CONFIRMED: ReadonlySet<RedisScriptName> = new Set([
  'accept',
  'change',
  'claim',
  'claim-expired',
  'claim-message',
  'claim-untold',
  'drop-hold-rule',
  'enter',
  'probe',
  'put-hold-rule',
  'renew',
  'settle',
  'take-out',
  'void',
])

/** How long the server waits for its own disk and for that of a replica, ours included. */
const CONFIRM_MS_MAX = 2_000
const COPIES = 1

/** Not the server's words: the store counts as failing, and the outcome as unknown. */
export class Unconfirmed extends Error {
  override readonly name = 'Unconfirmed'
}

export class ReplicaConfirmation {
  readonly #ask: (words: readonly RedisArgument[]) => Promise<RedisReply>
  #asked: Promise<unknown> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(ask: (words: readonly RedisArgument[]) => Promise<RedisReply>) {
    this.#ask = ask
  }

  /** Rejects when it is not, or not known to be. Of everything that was answered on this connection before. */
  confirmed(): Promise<void> {
    this.#next ??= this.#asked.then(() => {
      this.#next = undefined
      const asked = this.#waitForReplica()
      this.#asked = asked.catch(() => undefined)
      return asked
    })
    return this.#next
  }

  async #waitForReplica(): Promise<void> {
    const words = [COPIES, COPIES, CONFIRM_MS_MAX].map(String)
    let reply: RedisReply
    try {
      reply = await this.#ask(words)
    } catch (error) {
      throw new Unconfirmed(`WAITAOF: ${error instanceof Error ? error.message : 'no answer'}`, { cause: error })
    }
    const [local = 0, replicas = 0] = Array.isArray(reply) ? texts(reply).map(Number) : []
    if (local >= COPIES && replicas >= COPIES) return
    throw new Unconfirmed(`WAITAOF: ${local} here and ${replicas} replicas have it on disk in ${CONFIRM_MS_MAX} ms`)
  }
}
