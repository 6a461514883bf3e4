/**
 * The store of the Redis spool: each operation of the protocol as calls of scripts. What an outcome or an order does
 * to a delivery is decided here by the same tables as in the embedded engine (`message-state.ts`); the scripts apply
 * it only to the revision that was decided on, else they say what there is now and it is decided again.
 */
import { invariant } from '@hermetic/policy'
import type { LaneId } from '../../delivery/lane.ts'
import type { QueueKeys } from '../../redis/keys.ts'
import type { Life } from '../../redis/life.ts'
import type { Envelope } from '../../smtp/envelope.ts'
import { formatReversePath } from '../../smtp/mail-address.ts'
import type { ClaimsJournal } from '../claims-journal.ts'
import type { MendReport } from '../mend-report.ts'
import { orderDelivery, type Settler } from '../message-state.ts'
import type { QueueId } from '../queue-id.ts'
import type { ClaimToken, DueLane, QueueChange } from '../spool.ts'
import { StoreFailed } from '../store-failed.ts'
import type {
  ClaimRecord,
  Gone,
  SpoolStore,
  StoreAnswer,
  StoreAsk,
  StoreOperationName,
  StoreOperations,
} from '../store-protocol.ts'
import { RedisAges } from './redis-ages.ts'
import { parseToken } from './redis-claim-token.ts'
import type { RedisConnection } from './redis-connection.ts'
import { giveBackUnknown } from './redis-given.ts'
import { mendRedisSpool } from './redis-mend.ts'
import {
  claimRecord,
  deliveryArguments,
  entryRecord,
  goneOf,
  messageArguments,
  type RedisArgument,
  type RedisReply,
  readReply,
  texts,
  wholeArguments,
} from './redis-records.ts'
import type { RedisScriptName } from './redis-scripts.ts'
import { decideSettle } from './redis-settle-decision.ts'
import { redisShape, redisTotals } from './redis-shape.ts'
import { redisList } from './redis-walk.ts'

/** How long a message that is set aside is kept from everybody, without a renewal. */
const ASIDE_MS = 10 * 60 * 1000
const VOID_KEPT_MS = 7 * 24 * 60 * 60 * 1000
/** Entries of `due` looked at besides those that are asked for; outdated ones are mended on the way. */
const OUTDATED_LANES_MAX = 1024
/** Each turn of the loop means that somebody else changed the same delivery just now. */
const TURNS_MAX = 100
/** A claim that nobody settled or released in this time was forgotten by its holder. */
const FORGOTTEN_CLAIM_MS = 60 * 60 * 1000

export interface RedisStoreParts {
  readonly connection: RedisConnection
  readonly keys: QueueKeys
  readonly journal: Pick<ClaimsJournal, 'began' | 'ended' | 'flush'>
  /** Part of every token, so that those of another process never look like ours. */
  readonly life: Life
  readonly mono: () => number
  /** Tests only: the time in place of the server's. */
  readonly time: (() => number) | undefined
  readonly onUsage: (usedBytes: number) => void
  readonly onCommit: (commit: { readonly operations: number; readonly durationMs: number }) => void
}

/** What we know of a delivery that was given to us, so that its settle needs no question first. */
interface Held {
  /** Unknown after a settle that kept the claim. */
  readonly raw: string | undefined
  readonly at: number
}

type Run = (name: RedisScriptName, ...args: readonly RedisArgument[]) => Promise<RedisReply>

export class RedisStore implements SpoolStore {
  readonly #parts: RedisStoreParts
  readonly #held = new Map<ClaimToken, Held>()
  /** Names of claims that are being asked for. */
  readonly #asking = new Set<string>()
  /** The connection on which the server was last asked what it has given to us. */
  #comparedOn = 1
  #serial = 0
  readonly #ages = new RedisAges({
    run: (name, ...args) => this.#run(name, ...args),
    commit: (name, ...args) => this.#commit(name, ...args),
    claimed: (reply) => this.#claimedBy(reply),
  })
  readonly #operations: {
    readonly [K in StoreOperationName]: (ask: StoreAsk<K>) => Promise<StoreAnswer<K>>
  } = {
    accept: (ask) => this.#accept(ask),
    settle: (ask) => this.#settle(ask),
    change: (ask) => this.#change(ask),
    void: (ask) => this.#void(ask),
    probe: () => this.#probe(),
    claim: ({ lane, limit, leaseMs }) => {
      const holder = this.#holder()
      return this.#claimed(holder, this.#run('claim', lane, String(limit), String(leaseMs), holder, String(ASIDE_MS)))
    },
    'claim-message': ({ id, leaseMs }) => {
      const holder = this.#holder()
      return this.#claimed(holder, this.#run('claim-message', id, String(leaseMs), holder))
    },
    ...this.#ages.operations,
    renew: (ask) => this.#renew(ask),
    release: (ask) => this.#release(ask),
    'due-lanes': (ask) => this.#dueLanes(ask),
    read: async ({ id }) => readReply(parts(await this.#run('read', id))),
    known: (ask) => this.#known(ask),
    show: async ({ id }) => {
      const row = parts(await this.#run('show', id))
      return row.length === 0 ? null : entryRecord(row)
    },
    list: (ask) => redisList(this.#run, { ...ask, senderOf }),
    summary: (ask) => redisTotals(this.#run, ask),
    shape: (ask) => redisShape(this.#run, ask),
    enter: (ask) => this.#enter(ask),
    'entered-up-to': async ({ file }) => Number(String(await this.#run('entered-up-to', file))),
    'take-out': (ask) => this.#takeOut(ask),
    mend: ({ fix }) => this.#mend(fix),
    'clear-suspect': async ({ id }) => {
      await this.#run('clear-aside', id)
      return null
    },
  }

  constructor(storeParts: RedisStoreParts) {
    this.#parts = storeParts
  }

  ask<K extends StoreOperationName>(op: K, ask: StoreOperations[K]['ask']): Promise<StoreOperations[K]['answer']> {
    return this.#operations[op](ask)
  }

  waitingMs(): number {
    return this.#parts.connection.waitingMs()
  }

  /** Keeps these from everybody who does not ask for them by name; again and again while that shall last. */
  async setAside(ids: readonly QueueId[]): Promise<void> {
    if (ids.length > 0) await this.#run('aside', String(ASIDE_MS), String(ids.length), ...ids)
  }

  /** What is to be done now and then: leases of the dead lapse, forgotten claims are forgotten here too. */
  async upkeep(): Promise<void> {
    for (const [token, { at }] of this.#held) {
      if (at >= this.#parts.mono() - FORGOTTEN_CLAIM_MS) break
      this.#ended(token)
    }
    this.#used(parts(await this.#run('lapse')))
    await this.#compareGiven()
  }

  /** Once on each new connection: the answer was lost, it could not be given back, or another server has taken over. */
  async #compareGiven(): Promise<void> {
    const { connection, life } = this.#parts
    const on = connection.opened
    if (on === this.#comparedOn) return
    const isOurs = (token: ClaimToken, holder: string): boolean => this.#held.has(token) || this.#asking.has(holder)
    await giveBackUnknown(this.#run, { life: life.name, isOurs })
    this.#comparedOn = on
  }

  /** Claims of a former process of this node are free again; how many. */
  async takeBack(): Promise<number> {
    const { node, name } = this.#parts.life
    let freed = 0
    let cursor = '0'
    do {
      const [next = '0', count] = texts(await this.#run('take-back', cursor, node, name))
      cursor = next
      freed += Number(count)
    } while (cursor !== '0')
    return freed
  }

  readonly #run: Run = (name, ...args) => {
    const time = this.#parts.time === undefined ? '' : String(this.#parts.time())
    return this.#parts.connection.script(name, [time, ...args])
  }

  /** A script that changes the store: its answer begins with what the store holds now. */
  async #commit(name: RedisScriptName, ...args: readonly RedisArgument[]): Promise<readonly RedisReply[]> {
    const began = performance.now()
    const reply = parts(await this.#run(name, ...args))
    this.#used(reply)
    this.#parts.onCommit({ operations: 1, durationMs: performance.now() - began })
    return reply.slice(1)
  }

  #used([used]: readonly RedisReply[]): void {
    this.#parts.onUsage(Number(String(used)))
  }

  #holder(): string {
    this.#serial += 1
    return `${this.#parts.life.name}.${this.#serial.toString(36)}`
  }

  async #accept({ message }: StoreAsk<'accept'>): Promise<StoreAnswer<'accept'>> {
    const [status] = texts(await this.#commit('accept', ...messageArguments(message)))
    invariant(status === 'accepted' || status === 'already-done' || status === 'void', `accept answers ${status}`)
    return status
  }

  async #probe(): Promise<null> {
    await this.#commit('probe')
    return null
  }

  async #claimed(holder: string, reply: Promise<RedisReply>): Promise<readonly ClaimRecord[]> {
    this.#asking.add(holder)
    try {
      const records = parts(await reply).map((row) => {
        const { record, raw } = claimRecord(row, holder)
        this.#held.set(record.token, { raw, at: this.#parts.mono() })
        this.#parts.journal.began(record.id)
        return record
      })
      // Before the claim is answered: whatever is tried is named.
      this.#parts.journal.flush()
      return records
    } finally {
      this.#asking.delete(holder)
    }
  }

  #claimedBy(ask: (holder: string) => Promise<RedisReply>): Promise<readonly ClaimRecord[]> {
    const holder = this.#holder()
    return this.#claimed(holder, ask(holder))
  }

  /** The holder is done with the claim, whatever became of it. */
  #ended(token: ClaimToken): void {
    if (!this.#held.delete(token)) return
    this.#parts.journal.ended(token.slice(0, token.indexOf('/')) as QueueId)
  }

  #goesOn(token: ClaimToken): void {
    const held = this.#held.get(token)
    if (held !== undefined) this.#held.set(token, { ...held, raw: undefined })
  }

  async #renew({ tokens, leaseMs }: StoreAsk<'renew'>): Promise<readonly ClaimToken[]> {
    if (tokens.length === 0) return []
    const named = tokens.flatMap((token) => parseToken(token) ?? ['', '0', ''])
    const ours = texts(await this.#run('renew', String(leaseMs), String(tokens.length), ...named))
    return tokens.filter((_, n) => ours[n] === '1')
  }

  async #release({ tokens }: StoreAsk<'release'>): Promise<null> {
    const named = tokens.flatMap((token) => parseToken(token) ?? [])
    // Ended in any case: what the server does not hear of is found on the next connection.
    for (const token of tokens) this.#ended(token)
    if (named.length > 0) await this.#run('release', String(named.length / 3), ...named)
    return null
  }

  async #dueLanes({ before, limit }: StoreAsk<'due-lanes'>): Promise<readonly DueLane[]> {
    const reply = await this.#run('due-lanes', String(before), String(limit), String(OUTDATED_LANES_MAX))
    return parts(reply).map((row) => {
      const [lane, dueAt] = texts(row)
      return { lane: lane as DueLane['lane'], dueAt: Number(dueAt) }
    })
  }

  async #known({ ids }: StoreAsk<'known'>): Promise<readonly QueueId[]> {
    if (ids.length === 0) return []
    const there = texts(await this.#run('known', String(ids.length), ...ids))
    return ids.filter((_, n) => there[n] === '1')
  }

  async #void({ ids }: StoreAsk<'void'>): Promise<readonly Gone[]> {
    const [gone] = await this.#commit('void', String(VOID_KEPT_MS), String(ids.length), ...ids)
    return parts(gone).flatMap(goneOf)
  }

  async #enter({ messages, file, from, upTo }: StoreAsk<'enter'>): Promise<StoreAnswer<'enter'>> {
    const whole = messages.flatMap(wholeArguments)
    const [made] = await this.#commit('enter', file, String(from), String(upTo), String(messages.length), ...whole)
    if (!Array.isArray(made)) return 'overtaken'
    return texts(made).map((status) => (status === 'accepted' ? 'entered' : 'already-there'))
  }

  async #takeOut({ ids }: StoreAsk<'take-out'>): Promise<readonly Gone[]> {
    const [gone] = await this.#commit('take-out', String(ids.length), ...ids)
    return parts(gone).flatMap(goneOf)
  }

  #mend(fix: boolean): Promise<MendReport> {
    const { connection: calls, keys } = this.#parts
    const mend = (...args: readonly string[]): Promise<RedisReply> => this.#run('mend', ...args)
    return mendRedisSpool({ prefix: keys.spool, lanePrefix: keys.laneDue('' as LaneId), calls, mend }, fix)
  }

  async #settle(ask: StoreAsk<'settle'>): Promise<StoreAnswer<'settle'>> {
    const named = parseToken(ask.token)
    if (named === undefined) return { outcome: { kind: 'already-done' }, gone: [] }
    const held = this.#held.get(ask.token)
    let seen: { readonly settler: Settler; readonly raw: string } | undefined =
      held?.raw === undefined ? undefined : { settler: 'holder', raw: held.raw }
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      const decided = decideSettle(ask, seen)
      const flags = [ask.settlement.keepClaim === true ? '1' : '0', ask.replay ? '1' : '0']
      const args = [...named, ask.settlement.id, ...flags, ...decided.args]
      const [status, first, second] = await this.#commit('settle', ...args)
      if (String(status) === 'stale') {
        seen = { settler: String(first) === 'holder' ? 'holder' : 'late', raw: String(second) }
        continue
      }
      if (decided.claimGoesOn) this.#goesOn(ask.token)
      else this.#ended(ask.token)
      if (String(status) === 'already-done') return { outcome: { kind: 'already-done' }, gone: [] }
      return { outcome: decided.outcome, gone: goneOf(first) }
    }
    throw contended(ask.token)
  }

  async #change({ ids, action, breakLeases }: StoreAsk<'change'>): Promise<StoreAnswer<'change'>> {
    const changed = await Promise.all(ids.map((id) => this.#changeOne(id, { action, breakLeases })))
    return { changes: changed.map(({ change }) => change), gone: changed.flatMap(({ gone }) => gone) }
  }

  async #changeOne(
    id: QueueId,
    { action, breakLeases }: Omit<StoreAsk<'change'>, 'ids'>,
  ): Promise<{ readonly change: QueueChange; readonly gone: readonly Gone[] }> {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      const [now, row] = await Promise.all([this.#now(), this.#run('show', id)])
      if (parts(row).length === 0) return { change: { id, result: 'not-found' }, gone: [] }
      let isOut = false
      const orders: string[][] = []
      for (const [k, one] of entryRecord(row).stored.entries()) {
        if (one.isOut && !breakLeases) {
          isOut ||= one.delivery.state !== 'settled'
          continue
        }
        const next = orderDelivery(one.delivery, action, now)
        if (next !== undefined) orders.push([String(k), one.revision, ...deliveryArguments(next)])
      }
      if (orders.length === 0) return { change: { id, result: isOut ? 'in-delivery' : 'nothing-to-do' }, gone: [] }
      const flags = [breakLeases ? '1' : '0', action.kind === 'cancel' ? '1' : '0']
      const [status, gone] = await this.#commit('change', id, ...flags, String(orders.length), ...orders.flat())
      if (String(status) === 'done') return { change: { id, result: 'done' }, gone: goneOf(gone) }
    }
    throw contended(id)
  }

  /** The clock of the store. */
  async #now(): Promise<number> {
    if (this.#parts.time !== undefined) return this.#parts.time()
    const [seconds, micros] = texts(await this.#parts.connection.call('TIME'))
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }
}

function senderOf(envelope: string): string {
  return formatReversePath((JSON.parse(envelope) as Envelope).reversePath)
}

function parts(reply: RedisReply | undefined): readonly RedisReply[] {
  return Array.isArray(reply) ? reply : []
}

function contended(what: string): StoreFailed {
  const detail = `${what}: changed again and again by others`
  return new StoreFailed({ scope: 'operation', full: false, detail, outcomeUnknown: false })
}
