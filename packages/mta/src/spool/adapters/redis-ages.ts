/** The operations of the Redis spool on mail that is found by its age, and on the rules that hold mail. */
import type { ClaimRecord, StoreAnswer, StoreAsk } from '../store-protocol.ts'
import { type RedisArgument, type RedisReply, texts } from './redis-records.ts'
import type { RedisScriptName } from './redis-scripts.ts'

export interface RedisAgesParts {
  readonly run: (name: RedisScriptName, ...args: readonly RedisArgument[]) => Promise<RedisReply>
  readonly commit: (name: RedisScriptName, ...args: readonly RedisArgument[]) => Promise<unknown>
  readonly claimed: (ask: (holder: string) => Promise<RedisReply>) => Promise<readonly ClaimRecord[]>
}

/** Messages looked at in one call of a walk. */
const WALK_SLICE = 500

export class RedisAges {
  readonly #parts: RedisAgesParts
  #watched = false

  constructor(parts: RedisAgesParts) {
    this.#parts = parts
  }

  readonly operations = {
    'claim-expired': (ask: StoreAsk<'claim-expired'>) => this.#claimExpired(ask),
    'claim-untold': (ask: StoreAsk<'claim-untold'>) => this.#claimUntold(ask),
    'hold-rules': async () => texts(await this.#parts.run('hold-rules')),
    'put-hold-rule': async ({ id, rule }: StoreAsk<'put-hold-rule'>) => {
      await this.#parts.commit('put-hold-rule', id, rule)
      return null
    },
    'drop-hold-rule': async ({ id }: StoreAsk<'drop-hold-rule'>) => {
      await this.#parts.commit('drop-hold-rule', id)
      return null
    },
  }

  async #claimExpired(ask: StoreAsk<'claim-expired'>): Promise<readonly ClaimRecord[]> {
    await this.#watchAges()
    const { after, before, dueBefore, limit, leaseMs } = ask
    const bounds = [after, before, dueBefore, limit, leaseMs].map(String)
    return await this.#parts.claimed((holder) => this.#parts.run('claim-expired', ...bounds, holder))
  }

  /** Once in the life of a queue: messages that an older Hermetic took in. */
  async #watchAges(): Promise<void> {
    for (let after = ''; !this.#watched; ) {
      const [last = '', ended] = texts(await this.#parts.run('watch-ages', after, String(WALK_SLICE)))
      after = last
      this.#watched = ended === '1'
    }
  }

  async #claimUntold(ask: StoreAsk<'claim-untold'>): Promise<StoreAnswer<'claim-untold'>> {
    const { after, arrivedBefore, leaseMs } = ask
    const args = [after, WALK_SLICE, arrivedBefore, leaseMs].map(String)
    let place: readonly string[] = []
    const claims = await this.#parts.claimed(async (holder) => {
      const reply = await this.#parts.run('claim-untold', ...args, holder)
      const [last, ended, given] = Array.isArray(reply) ? reply : []
      place = texts([last ?? '', ended ?? ''])
      return given ?? []
    })
    return { claims, after: place[0] ?? after, ended: place[1] === '1' }
  }
}
