/**
 * Idle proven connections, waiting a few seconds for the next message to the same MX host.
 *
 * They lie by host, so that lanes that share a site find each other's; a smarthost's lie by lane, for a login is nobody
 * else's. Bounded in all and per host, oldest out first; one timer for all of them. Who may have one is said by `reuse.ts`
 * and `shared-session.ts`; what flows on it is none of this file's business.
 */
import { assertNever, type ProofRequirement } from '@hermetic/policy'
import { type LaneId, laneOf } from './lane.ts'
import { defaultReuseLimits, isWarm, type ReuseLimits, reuseVerdict } from './reuse.ts'
import { isSameAccess } from './route.ts'
import type { ProvenSession } from './session.ts'
import { sharedSession, type WantedSession } from './shared-session.ts'

export interface PoolOptions {
  readonly reuse?: ReuseLimits
  readonly idleMax?: number
  readonly idlePerHostMax?: number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  /** UTC milliseconds: certificates have dates. */
  readonly now: () => number
  /** A lane has found that the connection of another one proves what it demands; once per lane and connection. */
  readonly onShared?: (session: PooledSession, from: LaneId) => void
}

const IDLE_MAX = 500
const IDLE_PER_HOST_MAX = 20
/** Lanes that one connection serves, at the most: what each has found is kept while it is open. */
const LANES_MAX = 100
const SWEEP_MS = 1_000

interface Idle {
  readonly place: IdlePlace
  readonly session: PooledSession
  readonly since: number
}

/** Where the connections lie that may serve each other's mail. */
type IdlePlace = string & { readonly __brand: 'IdlePlace' }

/** A session and when it was opened. */
export interface PooledSession extends ProvenSession {
  readonly openedAt: number
  /** What each lane that used the connection has found proven on it; shared by all of them. */
  readonly byLane: Map<LaneId, PooledSession>
}

export class ConnectionPool {
  readonly #options: PoolOptions
  readonly #reuse: ReuseLimits
  /** Per place, the latest at the end: the warmest is taken first, the coldest ages out. */
  readonly #places = new Map<IdlePlace, Idle[]>()
  #size = 0
  #sweeper: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
    this.#reuse = options.reuse ?? defaultReuseLimits
  }

  get size(): number {
    return this.#size
  }

  /** The lane has used an idle connection of this host; one of another lane is no reason to prefer a host (SMTP-41). */
  isWarm(lane: LaneId, mxHostname: string): boolean {
    return this.#places.get(placeOf(lane, mxHostname))?.some(({ session }) => session.byLane.has(lane)) ?? false
  }

  /** One that proves what is wanted: of the same lane if there is one, else of a lane that shares the host. */
  take(wanted: WantedSession): PooledSession | undefined {
    const idle = this.#places.get(placeOf(wanted.lane, wanted.mxHostname))
    if (idle === undefined) return undefined
    return (
      this.#takeFrom(idle, wanted, ({ byLane }) => byLane.has(wanted.lane)) ??
      this.#takeFrom(idle, wanted, ({ byLane }) => !byLane.has(wanted.lane) && byLane.size < LANES_MAX)
    )
  }

  #takeFrom(idle: Idle[], wanted: WantedSession, isMeant: (session: PooledSession) => boolean) {
    for (let at = idle.length - 1; at >= 0; at -= 1) {
      const entry = idle[at]
      if (entry === undefined || !isMeant(entry.session)) continue
      const session = this.#isWarm(entry) ? this.#sessionFor(entry.session, wanted) : undefined
      if (session === 'other-wish') continue
      this.#remove(entry, idle, at)
      if (session !== undefined) return session
      end(entry.session)
    }
    return undefined
  }

  /** As it may be used for this; undefined: not any more. */
  #sessionFor(session: PooledSession, wanted: WantedSession): PooledSession | 'other-wish' | undefined {
    const known = session.byLane.get(wanted.lane)
    // A reload may have brought another password: what logged in with the old one is nobody's any more.
    if (known !== undefined)
      return isSameAccess(known.target.access, wanted.access) ? sessionFor(known, wanted.requirement) : undefined
    const shared = sharedSession(session, wanted, this.#options.now())
    if (shared === undefined) return 'other-wish'
    session.byLane.set(wanted.lane, shared)
    this.#options.onShared?.(shared, session.target.lane)
    return shared
  }

  /** Takes the connection over: it is kept for a while or closed in good manner. */
  give(session: PooledSession): void {
    const { lane, remote } = session.target
    const place = placeOf(lane, remote.mxHostname)
    const entry = { place, session, since: this.#options.monotonic() }
    if (this.#closed || !this.#isWarm(entry)) {
      end(session)
      return
    }
    const idle = this.#places.get(place) ?? []
    this.#places.set(place, idle)
    idle.push(entry)
    this.#size += 1
    if (idle.length > (this.#options.idlePerHostMax ?? IDLE_PER_HOST_MAX)) this.#evict(idle)
    else if (this.#size > (this.#options.idleMax ?? IDLE_MAX)) this.#evictOldestPlace()
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
  }

  /** No more idle connections: each gets its QUIT. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#sweeper)
    const sessions = [...this.#places.values()].flat().map(({ session }) => session)
    this.#places.clear()
    this.#size = 0
    await Promise.all(sessions.map(({ connection }) => connection.quit()))
  }

  #isWarm({ session, since }: Idle): boolean {
    const now = this.#options.monotonic()
    const { usable, idle, transactions, capabilities } = session.connection
    // RFC 9422: the peer takes no more on this one.
    const full = transactions >= (capabilities?.limits.mailMax ?? Number.POSITIVE_INFINITY)
    const facts = { usable: usable && idle && !full, idleMs: now - since, ageMs: now - session.openedAt, transactions }
    return isWarm(facts, this.#reuse)
  }

  #remove({ place }: Idle, idle: Idle[], at: number): void {
    idle.splice(at, 1)
    this.#size -= 1
    if (idle.length === 0) this.#places.delete(place)
  }

  #evict(idle: Idle[]): void {
    const oldest = idle[0]
    if (oldest === undefined) return
    this.#remove(oldest, idle, 0)
    end(oldest.session)
  }

  #evictOldestPlace(): void {
    for (const idle of this.#places.values()) {
      this.#evict(idle)
      return
    }
  }

  #sweep(): void {
    for (const idle of this.#places.values()) {
      for (let at = idle.length - 1; at >= 0; at -= 1) {
        const entry = idle[at]
        if (entry === undefined || this.#isWarm(entry)) continue
        this.#remove(entry, idle, at)
        end(entry.session)
      }
    }
    if (this.#size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }
}

/** A login is nobody else's, and from where we come is part of what the peer sees. */
function placeOf(lane: LaneId, mxHostname: string): IdlePlace {
  const { kind, port, pool = '' } = laneOf(lane)
  return (kind === 'route' ? lane : `${mxHostname}:${port}/${pool}`) as IdlePlace
}

/** As it may be used by the same lane for this requirement; undefined: not any more. */
function sessionFor(session: PooledSession, wanted: ProofRequirement): PooledSession | 'other-wish' | undefined {
  const { target, judged } = session
  const reuse = reuseVerdict({ requirement: target.requirement, channel: judged }, wanted)
  switch (reuse.kind) {
    case 'proven':
      return session
    case 'judged-again': {
      const { verdict } = reuse
      const channel = session.channel.kind === 'tls' ? { ...session.channel, level: verdict.level } : session.channel
      return { ...session, target: { ...target, requirement: wanted }, verdict, channel }
    }
    case 'other-wish':
      return reuse.kind
    case 'over':
      return undefined
    default:
      return assertNever(reuse)
  }
}

/** SMTP-14: every connection that still listens gets a QUIT. */
function end({ connection }: PooledSession): void {
  if (connection.usable) void connection.quit()
  else connection.destroy()
}
