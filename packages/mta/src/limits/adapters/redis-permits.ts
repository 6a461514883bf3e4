/**
 * Permits of many processes: leases in Redis (60 s, renewed at a third), one set of scripts, all keys of a site in
 * one slot. Who finds no permit stands in the site's line; a permit that returns, or whose lease ends, calls the next
 * over a channel of its node and makes its lane due for all nodes, so nobody polls. A process that was stopped longer than its lease has lost its permits
 * and learns it from its own clock. Without Redis there are no permits.
 */

import { runScript, type Script } from '@hermetic/policy/redis-script'
import type { LaneId } from '../../delivery/lane.ts'
import { COMMAND_TIMEOUT_MS, connected, type RedisClient } from '../../redis/adapters/redis-connection.ts'
import type { QueueKeys } from '../../redis/keys.ts'
import { beginLife, type Life } from '../../redis/life.ts'
import { redisTrouble } from '../../redis/redis-trouble.ts'
import { FORMER_LIFE_LUA, loadScript } from '../../redis/scripts.ts'
import type { LimitsEvent } from '../events.ts'
import type { Permit, PermitFeedback, Permits, SiteId, SiteLimits } from '../permits.ts'
import { intervalUs, NO_WAIT, type Pace, type PaceAsk } from '../rate.ts'
import { PermitLines } from './redis-permit-lines.ts'

export interface RedisPermitsOptions {
  /** For commands; closed by `close`. */
  readonly client: RedisClient
  /** Listens for calls; a connection of its own, closed by `close`. */
  readonly listener: RedisClient
  readonly keys: QueueKeys
  /** What is allowed with each site. All nodes say the same. */
  readonly limitsOf: (site: SiteId) => SiteLimits
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  readonly emit: (event: LimitsEvent) => void
  readonly leaseMs?: number
  /** Of this process; absent: it has no former one. */
  readonly life?: Life
}

export interface RedisPermits extends Permits {
  /**
   * What a former process of this node held is free again; how many permits. Once it is certain that it is dead: who was
   * only stopped would go on with transactions that nobody counts. Rejects while Redis is away.
   */
  takeBack(): Promise<number>
  /** Gives back what is held, leaves all lines, and closes both connections. */
  close(): Promise<void>
}

/** Architecture §3. */
export const PERMIT_LEASE_MS = 60_000
const RENEWALS_PER_LEASE = 3
/** Who was called and has not come after this time is not waited for. */
const CALL_MS = 1_000
/** Lanes in the line of one site; those beyond it come back when the scheduler runs them again. */
const WAITERS_MAX = 10_000
/** The end of a key. */
const HELD = ':held'
/** Permits whose return Redis has not heard of; beyond this their leases end by themselves. */
const OWED_MAX = 1_000

const SCRIPTS = {
  acquire: siteScript('./redis-permits-acquire.lua'),
  release: siteScript('./redis-permits-release.lua'),
  renew: siteScript('./redis-permits-renew.lua'),
  call: siteScript('./redis-permits-call.lua'),
  takeBack: siteScript(FORMER_LIFE_LUA.href, './redis-permits-take-back.lua'),
  pace: siteScript('./redis-permits-pace.lua'),
  answered: siteScript('./redis-permits-answered.lua'),
}

function siteScript(...files: readonly string[]): Script {
  return loadScript(import.meta.url, './redis-permits-site.lua', ...files)
}

/** Waits for the first connection a while; without one it starts all the same, and has no permits yet. */
export async function openRedisPermits(options: RedisPermitsOptions): Promise<RedisPermits> {
  const permits = new SharedPermits(options)
  await permits.open()
  return permits
}

interface Lease {
  readonly token: string
  readonly site: SiteId
  readonly round: number
  /** By our own clock, counted from before Redis was asked: never later than Redis' own end. */
  untilMono: number
  gone: boolean
}

class SharedPermits implements RedisPermits {
  readonly #options: RedisPermitsOptions
  readonly #leaseMs: number
  readonly #life: Life
  /** What its names in Redis begin with. */
  readonly #node: string
  readonly #lines: PermitLines
  readonly #leases = new Map<SiteId, Map<string, Lease>>()
  /** Permits of unknown fate: given back as soon as Redis is there again. */
  readonly #owed = new Map<string, SiteId>()
  #renewing: NodeJS.Timeout | undefined
  #tokens = 0
  #away = false

  constructor(options: RedisPermitsOptions) {
    this.#options = options
    this.#life = options.life ?? beginLife()
    this.#node = this.#life.name
    this.#leaseMs = options.leaseMs ?? PERMIT_LEASE_MS
    this.#lines = new PermitLines({
      node: this.#node,
      lookAgain: (site) => this.#call(site, []),
    })
  }

  async open(): Promise<void> {
    const { client, listener } = this.#options
    // We do that ourselves; the client would leave a rejection behind when the connection breaks again meanwhile.
    listener.options.autoResubscribe = false
    client.on('ready', () => this.#connected())
    listener.on('message', (_channel: string, waiter: string) => this.#lines.called(waiter))
    listener.on('ready', () => void this.#listen())
    await Promise.all([connected(client, COMMAND_TIMEOUT_MS), connected(listener, COMMAND_TIMEOUT_MS)])
    if (client.status === 'ready') this.#connected()
    if (listener.status === 'ready') await this.#listen()
    this.#renewing = setInterval(() => void this.#renewAll(), this.#leaseMs / RENEWALS_PER_LEASE)
    this.#renewing.unref()
  }

  /** Calls of the time without a connection are lost: everybody asks again. */
  async #listen(): Promise<void> {
    const { listener, keys } = this.#options
    // Who is never called asks again after a while: slower than it need be, so it is told.
    await listener.subscribe(keys.permitCalls(this.#node)).catch((error: unknown) => this.#unavailable(error))
    this.#lines.callAll()
  }

  async acquire(site: SiteId, onFree?: () => void, lane?: LaneId): Promise<Permit | undefined> {
    this.#tokens += 1
    const token = `${this.#node}/${this.#tokens}`
    const waiter = onFree === undefined ? '' : this.#lines.ask(site, onFree, lane)
    const askedAt = this.#options.monotonic()
    let answer: readonly number[]
    try {
      answer = numbers(await this.#run(SCRIPTS.acquire, site, [token, waiter, WAITERS_MAX]))
    } catch (error) {
      if (onFree !== undefined) this.#lines.leave(site, onFree)
      this.#owe(site, token)
      this.#unavailable(error)
      return undefined
    }
    const [granted, number = 0] = answer
    if (granted !== 1) {
      this.#lines.refused(waiter)
      this.#lines.lookAgainIn(site, number)
      return undefined
    }
    if (onFree !== undefined) this.#lines.leave(site, onFree)
    return this.#permit({ token, site, round: number, untilMono: askedAt + this.#leaseMs, gone: false })
  }

  async takeBack(): Promise<number> {
    const { client, keys } = this.#options
    const { node, name } = this.#life
    const [first, last] = [keys.permits('' as SiteId).length, -HELD.length]
    const held = await client.zrangebyscore(keys.permitSites(node), '-inf', '+inf')
    const sites = held.map((key) => key.slice(first, last) as SiteId)
    const cameBack = await Promise.all(sites.map((site) => this.#run(SCRIPTS.takeBack, site, [node, name])))
    return cameBack.reduce<number>((sum, count) => sum + Number(count), 0)
  }

  async close(): Promise<void> {
    clearInterval(this.#renewing)
    const { client, listener } = this.#options
    const held = [...this.#leases.values()].flatMap((ofSite) => [...ofSite.values()])
    const returned = held.map((lease) => this.#giveBack(lease, 'unused'))
    const left = this.#lines.close().map(([site, waiters]) => this.#call(site, waiters))
    await Promise.allSettled([...returned, ...left])
    listener.disconnect()
    client.disconnect()
  }

  #permit(lease: Lease): Permit {
    const ofSite = this.#leases.get(lease.site) ?? new Map<string, Lease>()
    ofSite.set(lease.token, lease)
    this.#leases.set(lease.site, ofSite)
    return {
      site: lease.site,
      isHeld: () => !lease.gone && this.#options.monotonic() < lease.untilMono,
      pace: (ask) => this.#pace(lease.site, ask),
      answered: () => void this.#answered(lease),
      release: (feedback) => void this.#giveBack(lease, feedback),
    }
  }

  async #giveBack(lease: Lease, feedback: PermitFeedback): Promise<void> {
    if (lease.gone) return
    this.#forget(lease)
    try {
      const again = await this.#run(SCRIPTS.release, lease.site, [feedback, lease.round, lease.token])
      this.#lines.lookAgainIn(lease.site, Number(again))
    } catch (error) {
      this.#owe(lease.site, lease.token)
      this.#unavailable(error)
    }
  }

  /** Only a site that was halved, or that began below its limit, has anything to learn from it. */
  async #answered({ site, round, gone }: Lease): Promise<void> {
    const { concurrency, initialConcurrency = concurrency } = this.#options.limitsOf(site)
    if (gone || (round === 0 && initialConcurrency === concurrency)) return
    try {
      this.#lines.lookAgainIn(site, Number(await this.#run(SCRIPTS.answered, site, [])))
    } catch (error) {
      this.#unavailable(error)
    }
  }

  #forget(lease: Lease): void {
    lease.gone = true
    const ofSite = this.#leases.get(lease.site)
    ofSite?.delete(lease.token)
    if (ofSite?.size === 0) this.#leases.delete(lease.site)
  }

  async #pace(site: SiteId, ask: PaceAsk): Promise<Pace> {
    const { rate } = this.#options.limitsOf(site)
    if (rate === undefined) return NO_WAIT
    try {
      const args = [intervalUs(rate), rate.burst, ask.transactions, ask.patienceMs]
      const [reserved, ms = 0] = numbers(await this.#run(SCRIPTS.pace, site, args))
      return reserved === 1 ? { kind: 'go', afterMs: ms } : { kind: 'later', retryAfterMs: ms }
    } catch (error) {
      this.#unavailable(error)
      return { kind: 'later', retryAfterMs: CALL_MS }
    }
  }

  async #renewAll(): Promise<void> {
    // A connection that only listens does not notice that its peer has gone.
    this.#options.listener.ping().catch(() => undefined)
    await Promise.all([...this.#leases].map(([site, leases]) => this.#renew(site, [...leases.values()])))
  }

  async #renew(site: SiteId, leases: readonly Lease[]): Promise<void> {
    const askedAt = this.#options.monotonic()
    try {
      const tokens = leases.map(({ token }) => token)
      const answers = numbers(await this.#run(SCRIPTS.renew, site, tokens))
      for (const [at, lease] of leases.entries()) {
        if (lease.gone) {
          // It came back while it was being prolonged; the script may have taken it again.
          if (answers[at] === 1) this.#owe(site, lease.token)
        } else if (answers[at] === 1) lease.untilMono = askedAt + this.#leaseMs
        else {
          this.#forget(lease)
          this.#options.emit({ event: 'permit-lost', site })
        }
      }
      this.#payOwed()
    } catch (error) {
      // Their leases run on; the next renewal may still come in time.
      this.#unavailable(error)
    }
  }

  async #call(site: SiteId, leaving: readonly string[]): Promise<void> {
    try {
      this.#lines.lookAgainIn(site, Number(await this.#run(SCRIPTS.call, site, leaving)))
    } catch (error) {
      this.#unavailable(error)
      this.#lines.lookAgainIn(site, CALL_MS)
    }
  }

  #owe(site: SiteId, token: string): void {
    if (this.#owed.size < OWED_MAX) this.#owed.set(token, site)
  }

  #payOwed(): void {
    const owed = [...this.#owed]
    this.#owed.clear()
    for (const [token, site] of owed) {
      this.#run(SCRIPTS.release, site, ['unused', 0, token]).catch(() => this.#owe(site, token))
    }
  }

  /** Its scripts first, so that none needs a second round trip, which would change the order of commands. */
  #connected(): void {
    for (const { text } of Object.values(SCRIPTS)) this.#options.client.script('LOAD', text).catch(() => undefined)
    this.#payOwed()
    void this.#renewAll()
    if (!this.#away) return
    this.#away = false
    this.#options.emit({ event: 'permits-available' })
  }

  #unavailable(error: unknown): void {
    if (this.#away) return
    this.#away = true
    this.#options.emit({ event: 'permits-unavailable', detail: redisTrouble(error) })
  }

  #run(script: Script, site: SiteId, args: readonly (string | number)[]): Promise<unknown> {
    const { client, keys, limitsOf } = this.#options
    const base = keys.permits(site)
    const { concurrency, initialConcurrency = 0 } = limitsOf(site)
    return runScript(client, script, {
      keys: [
        `${base}${HELD}`,
        `${base}:waiting`,
        `${base}:called`,
        `${base}:state`,
        keys.due,
        keys.permitSites(this.#life.node),
      ],
      args: [concurrency, initialConcurrency, this.#leaseMs, CALL_MS, keys.permitCalls(''), ...args],
    })
  }
}

function numbers(answer: unknown): readonly number[] {
  return Array.isArray(answer) ? answer.map(Number) : []
}
