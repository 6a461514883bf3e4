/**
 * Idle proven connections, waiting a few seconds for the next message to the same lane and MX host.
 *
 * Bounded in all and per lane, oldest out first; one timer for all of them. Who may have one is said by
 * `reuse.ts`; what flows on it is none of this file's business.
 */
import { assertNever, type ProofRequirement } from '@hermetic/policy'
import type { LaneId } from './lane.ts'
import { defaultReuseLimits, isWarm, type ReuseLimits, reuseVerdict } from './reuse.ts'
import type { ProvenSession } from './session.ts'

export interface PoolOptions {
  readonly reuse?: ReuseLimits
  readonly idleMax?: number
  readonly idlePerLaneMax?: number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
}

const IDLE_MAX = 500
const IDLE_PER_LANE_MAX = 20
const SWEEP_MS = 1_000

interface Idle {
  readonly lane: LaneId
  readonly session: PooledSession
  readonly since: number
}

/** A session and when it was opened. */
export interface PooledSession extends ProvenSession {
  readonly openedAt: number
}

export class ConnectionPool {
  readonly #options: PoolOptions
  readonly #reuse: ReuseLimits
  /** Per lane, the latest at the end: the warmest is taken first, the coldest ages out. */
  readonly #lanes = new Map<LaneId, Idle[]>()
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

  /** MX hosts of the lane with an idle connection. */
  hosts(lane: LaneId): ReadonlySet<string> {
    return new Set(this.#lanes.get(lane)?.map(({ session }) => session.target.remote.mxHostname))
  }

  take(lane: LaneId, mxHostname: string, requirement: ProofRequirement): PooledSession | undefined {
    const idle = this.#lanes.get(lane)
    if (idle === undefined) return undefined
    for (let at = idle.length - 1; at >= 0; at -= 1) {
      const entry = idle[at]
      if (entry === undefined || entry.session.target.remote.mxHostname !== mxHostname) continue
      const session = this.#isWarm(entry) ? sessionFor(entry.session, requirement) : undefined
      if (session === 'other-wish') continue
      this.#remove(lane, idle, at)
      if (session !== undefined) return session
      end(entry.session)
    }
    return undefined
  }

  /** Takes the connection over: it is kept for a while or closed in good manner. */
  give(lane: LaneId, session: PooledSession): void {
    const entry = { lane, session, since: this.#options.monotonic() }
    if (this.#closed || !this.#isWarm(entry)) {
      end(session)
      return
    }
    const idle = this.#lanes.get(lane) ?? []
    this.#lanes.set(lane, idle)
    idle.push(entry)
    this.#size += 1
    if (idle.length > (this.#options.idlePerLaneMax ?? IDLE_PER_LANE_MAX)) this.#evict(lane, idle)
    else if (this.#size > (this.#options.idleMax ?? IDLE_MAX)) this.#evictOldestLane()
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
  }

  /** No more idle connections: each gets its QUIT. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#sweeper)
    const sessions = [...this.#lanes.values()].flat().map(({ session }) => session)
    this.#lanes.clear()
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

  #remove(lane: LaneId, idle: Idle[], at: number): void {
    idle.splice(at, 1)
    this.#size -= 1
    if (idle.length === 0) this.#lanes.delete(lane)
  }

  #evict(lane: LaneId, idle: Idle[]): void {
    const oldest = idle[0]
    if (oldest === undefined) return
    this.#remove(lane, idle, 0)
    end(oldest.session)
  }

  #evictOldestLane(): void {
    for (const [lane, idle] of this.#lanes) {
      this.#evict(lane, idle)
      return
    }
  }

  #sweep(): void {
    for (const [lane, idle] of this.#lanes) {
      for (let at = idle.length - 1; at >= 0; at -= 1) {
        const entry = idle[at]
        if (entry === undefined || this.#isWarm(entry)) continue
        this.#remove(lane, idle, at)
        end(entry.session)
      }
    }
    if (this.#size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }
}

/** As it may be used for this requirement; undefined: not any more. */
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
