/**
 * Logins that a smarthost refused for good: nobody shows them again until a while has passed, for repeated failures lock
 * accounts. Then one turn tries, whichever of the lanes of the login comes first; the others wait for what it finds.
 *
 * In memory only: a restart, a reload and an operator's order are reasons to try.
 */
import type { TurnEnd } from '../schedule/lane-scheduler.ts'
import { laneBackoffMs } from '../schedule/retry-schedule.ts'
import type { DeliveryEvent } from './events.ts'
import { type LaneId, laneId, laneOf, parseLaneId } from './lane.ts'

export interface SuspendedLogin {
  /** The lane of the login without a source pool: `route:shop@smtp.example.net:587`. */
  readonly route: LaneId
  /** UTC milliseconds: of the first refusal in a row, and of the next attempt. */
  readonly since: number
  readonly until: number
  /** In a row. */
  readonly refusals: number
  /** What the smarthost answered. */
  readonly said: string
}

export interface Logins {
  /** The turn of a lane whose login is suspended does not begin, so that nothing is claimed for it. */
  guard(lane: LaneId, turn: () => Promise<TurnEnd>): Promise<TurnEnd>
  /** Answers when the login may be tried again. */
  refused(lane: LaneId, said: string): number
  accepted(lane: LaneId): void
  /** Another configuration, or an operator's order. */
  reopenAll(): void
  suspended(): readonly SuspendedLogin[]
}

export interface LoginBreakerOptions {
  /** Ends a lane's back-off. */
  readonly wake: (lane: LaneId) => void
  /** UTC milliseconds. */
  readonly now: () => number
  readonly random: () => number
  readonly emit: (event: DeliveryEvent) => void
}

/** What a smarthost made of a login; `said`: its refusal. */
export interface LoginNews {
  readonly lane: LaneId
  readonly said?: string
}

/** Where turns begin elsewhere: what comes of logins is told there, and nobody waits here. */
export function loginsToldElsewhere(
  tell: (news: LoginNews) => void,
  { now, random }: Pick<LoginBreakerOptions, 'now' | 'random'>,
): Logins {
  return {
    guard: (_lane, turn) => turn(),
    refused: (lane, said) => {
      tell({ lane, said })
      return now() + laneBackoffMs({ failures: 1, chance: random() })
    },
    accepted: (lane) => tell({ lane }),
    reopenAll: () => undefined,
    suspended: () => [],
  }
}

/** The suspension for which the mail of a lane waits, if it does. */
export function suspensionOf(lane: LaneId, suspended: readonly SuspendedLogin[]): SuspendedLogin | undefined {
  if (suspended.length === 0 || parseLaneId(lane)?.kind !== 'route') return undefined
  const route = routeOfLogin(lane)
  return suspended.find((one) => one.route === route)
}

/** While another turn tries the login: it ends by itself, and wakes the lane when the login is taken. */
const TRYING_MS = 5_000

interface Suspended {
  readonly login: SuspendedLogin
  /** Those that would have begun a turn. */
  readonly lanes: Set<LaneId>
  trying: boolean
}

export class LoginBreaker implements Logins {
  readonly #options: LoginBreakerOptions
  readonly #suspended = new Map<LaneId, Suspended>()

  constructor(options: LoginBreakerOptions) {
    this.#options = options
  }

  async guard(lane: LaneId, turn: () => Promise<TurnEnd>): Promise<TurnEnd> {
    const suspended = this.#of(lane)
    if (suspended === undefined) return turn()
    suspended.lanes.add(lane)
    const now = this.#options.now()
    const { until } = suspended.login
    if (until > now) return { kind: 'backoff', until }
    if (suspended.trying) return { kind: 'backoff', until: now + TRYING_MS }
    suspended.trying = true
    try {
      return await turn()
    } finally {
      suspended.trying = false
    }
  }

  refused(lane: LaneId, said: string): number {
    const { now, random, emit } = this.#options
    const route = routeOfLogin(lane)
    const before = this.#suspended.get(route)
    // Sessions that were being opened at the same moment are one refusal.
    if (before !== undefined && !before.trying) return before.login.until
    const at = now()
    const refusals = (before?.login.refusals ?? 0) + 1
    const until = at + laneBackoffMs({ failures: refusals, chance: random() })
    const login: SuspendedLogin = { route, since: before?.login.since ?? at, until, refusals, said }
    this.#suspended.set(route, { login, lanes: new Set([...(before?.lanes ?? []), lane]), trying: false })
    emit({ event: 'route-suspended', route, refusals, until, said, suspended: this.#suspended.size })
    return until
  }

  accepted(lane: LaneId): void {
    const suspended = this.#of(lane)
    if (suspended !== undefined) this.#reopen(suspended, 'login')
  }

  reopenAll(): void {
    for (const suspended of [...this.#suspended.values()]) this.#reopen(suspended, 'order')
  }

  suspended(): readonly SuspendedLogin[] {
    return [...this.#suspended.values()].map(({ login }) => login)
  }

  #reopen({ login, lanes }: Suspended, by: 'login' | 'order'): void {
    const { wake, now, emit } = this.#options
    const { route, since } = login
    this.#suspended.delete(route)
    emit({ event: 'route-reopened', route, by, afterMs: now() - since, suspended: this.#suspended.size })
    for (const lane of lanes) wake(lane)
  }

  #of(lane: LaneId): Suspended | undefined {
    return this.#suspended.size === 0 ? undefined : this.#suspended.get(routeOfLogin(lane))
  }
}

/** Source pools of one login share its fate. */
export function routeOfLogin(lane: LaneId): LaneId {
  const { pool: _, ...login } = laneOf(lane)
  return laneId(login)
}
