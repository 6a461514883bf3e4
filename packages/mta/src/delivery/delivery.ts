/**
 * Delivery put together: what `main.ts` hands in, and the turn that the scheduler calls.
 */

import type { AddressJudgement, DnsResolver, LocalDemand, Self, StsSource } from '@hermetic/policy'
import type { BounceEvent } from '../bounce/events.ts'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { defaultNoticeSettings, type NoticeSettings } from '../bounce/notice-plan.ts'
import { type NoticeWorld, runNoticeTurn } from '../bounce/notice-turn.ts'
import type { NotifierOptions, SignNotice } from '../bounce/notifier.ts'
import type { Permits } from '../limits/permits.ts'
import type { LaneScheduler, Turn } from '../schedule/lane-scheduler.ts'
import { defaultRetryOptions, type RetryOptions } from '../schedule/retry-schedule.ts'
import { saidOf } from '../smtp/auth.ts'
import type { MailDomain } from '../smtp/mail-address.ts'
import { DEFAULT_TIMEOUTS, type SmtpTimeouts } from '../smtp/timeouts.ts'
import type { Spool, SpoolAdmin } from '../spool/spool.ts'
import { ConnectionPool } from './connection-pool.ts'
import { DeadHosts, type HostNews } from './dead-hosts.ts'
import { deliveryRecord } from './delivery-record.ts'
import type { DeliveryEvent } from './events.ts'
import { FactsSource, type SiteFor } from './facts.ts'
import type { PolicySettings } from './host-policy.ts'
import { tellOfJudged, tellOfShared } from './judged-sessions.ts'
import { laneId } from './lane.ts'
import { LaneHealth } from './lane-health.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { LoginBreaker, type LoginNews, type Logins, loginsToldElsewhere, type SuspendedLogin } from './login-breaker.ts'
import { failedFetch, type TlsReports } from './report-mapping.ts'
import { defaultReuseLimits, type ReuseLimits } from './reuse.ts'
import { laneForNotice, mailRouting, type RouteTable, type RoutingOptions } from './routing.ts'
import { defaultPool, SourceAddresses, type SourcePool } from './source-address.ts'
import { runTurn } from './turn.ts'
import type { TurnWorld } from './turn-state.ts'
import { TurnsOfLanes } from './turns-of-lane.ts'
import { WaitingLanes, type WaitNews } from './waiting-lanes.ts'

export interface DeliveryOptions extends PolicySettings {
  readonly spool: Pick<Spool, 'claim' | 'renew' | 'settle' | 'release' | 'open'> & {
    readonly admin: Pick<SpoolAdmin, 'show'>
  }
  readonly scheduler: Pick<LaneScheduler, 'wake'>
  readonly permits: Permits
  readonly resolver: Pick<DnsResolver, 'mx' | 'address'>
  /** Our name: EHLO and notifications. A domain name in A-labels or an address literal. */
  readonly hostname: string
  /** The addr-spec of our postmaster, the sender of notifications. */
  readonly postmaster: string
  /** Absent: notifications are not signed. */
  readonly signNotice?: SignNotice | undefined
  readonly notices?: NoticeSettings
  readonly self: Self
  /** May this address be dialled at this port? */
  readonly guard: (address: string, port: number) => AddressJudgement
  /** The same for smarthosts, whose names the operator wrote; as `guard` when absent. */
  readonly smarthostGuard?: DeliveryOptions['guard']
  /** Port of MX hosts. */
  readonly port: number
  /** Mail that goes to smarthosts; none when absent. */
  readonly routes?: RouteTable
  /** PEM roots beside Node's own; the same array each time. */
  readonly ca?: readonly string[]
  /** Addresses of this machine that mail leaves from, by pool; without any the system chooses. */
  readonly sources?: readonly SourcePool[]
  readonly emit: (event: DeliveryEvent | BounceEvent) => void
  /** UTC milliseconds. */
  readonly now: () => number
  /** Monotonic milliseconds of this process, the clock of `Claim.leaseUntilMono`. */
  readonly monotonic: () => number
  readonly random: () => number
  /** What local policy demands of a next hop (TLS-01); nothing when absent. */
  readonly demandFor?: (nextHop: MailDomain) => LocalDemand
  /** What is told of sessions to those who ask for reports; absent: nothing. */
  readonly reports?: TlsReports | undefined
  /** Absent: MTA-STS is off. */
  readonly sts?: Pick<StsSource, 'policyFor' | 'refetch'>
  readonly timeouts?: SmtpTimeouts
  readonly retry?: RetryOptions
  readonly reuse?: ReuseLimits
  readonly leaseMs?: number
  readonly batch?: number
  readonly stopGraceMs?: number
  readonly addressesPerHostMax?: number
  readonly connectionsPerAttemptMax?: number
  /** Recipients that get no mail; absent: there are none. */
  readonly suppressed?: TurnWorld['suppressed'] | undefined
  /** RFC 8305 §5: between the beginnings of two connections to one host. */
  readonly connectionAttemptDelayMs?: number
  /** How long a host that did not answer is passed by at first; zero: never. */
  readonly deadHostMs?: number
  /** Other threads deliver too, and hear which hosts are silent. */
  readonly tellOfHost?: (news: HostNews) => void
  readonly tellOfWait?: (news: WaitNews) => void
  /** BDAT where it is offered; true when absent. */
  readonly chunking?: boolean
  /** Where turns begin elsewhere, what comes of logins is told there. */
  readonly tellOfLogin?: (news: LoginNews) => void
  /** Sites that an operator's limits make; absent: hosts are the site. */
  readonly siteFor?: SiteFor
}

/** What is needed to say where the mail of a next hop goes and what it demands; `explain` has this and no queue. */
export type DestinationOptions = Omit<
  DeliveryOptions,
  | 'spool'
  | 'scheduler'
  | 'permits'
  | 'postmaster'
  | 'signNotice'
  | 'notices'
  | 'retry'
  | 'reuse'
  | 'leaseMs'
  | 'batch'
  | 'suppressed'
  | 'stopGraceMs'
>

export interface Delivery {
  readonly turn: Turn
  /** Messages that are claimed and not settled. */
  inFlight(): number
  /** Lanes that wait for a limit of their site. */
  readonly waiting: Pick<WaitingLanes, 'waitOf' | 'counts'>
  /** Routes whose smarthost refuses our login. */
  suspendedLogins(): readonly SuspendedLogin[]
  /** Their logins may be right now. */
  reopenRoutes(): void
  /** An operator orders an attempt: hosts that were silent are dialled again. */
  forgetDeadHosts(): void
  /** Another thread has found a host silent, or not silent any more. */
  heardOfHost(news: HostNews): void
  /** After the scheduler has stopped: idle connections get their QUIT. */
  close(): Promise<void>
}

/** Architecture §3. */
export const LEASE_MS = 60_000
/** Enough to keep a connection busy, few enough that a crash repeats little and a lease covers them. */
const BATCH = 50
/** Architecture, decision 11. */
export const STOP_GRACE_MS = 25_000
const CONNECTIONS_PER_ATTEMPT_MAX = 12

export function createDelivery(options: DeliveryOptions): Delivery {
  const { spool, scheduler, emit, monotonic, now, permits } = options
  const leaseMs = options.leaseMs ?? LEASE_MS
  const leases = new LeaseKeeper({ spool, leaseMs, monotonic, emit })
  const pool = new ConnectionPool({
    ...{ monotonic, now, onShared: tellOfShared(options) },
    ...(options.reuse === undefined ? {} : { reuse: options.reuse }),
  })
  const facts = factsSource(options)
  const dead = deadHosts(options)
  const waiting = new WaitingLanes({
    ...{ permits, monotonic, tell: options.tellOfWait },
    wake: (lane) => scheduler.wake(lane),
  })
  const settler = settlerOptions(options, leases)
  const logins = loginsOf(options)
  const world: TurnWorld = {
    ...turnLimits(options),
    spool,
    facts,
    waiting,
    health: new LaneHealth(),
    turns: new TurnsOfLanes(),
    logins,
    leases,
    settler,
    attempt: attemptOptions(options, { pool, dead, logins }),
    transactions: {
      spool,
      leases,
      now,
      transactionsMax: (options.reuse ?? defaultReuseLimits).transactions,
      onTransaction: (record) => emit(deliveryRecord(record, now())),
    },
    leaseMs,
    suppressed: options.suppressed,
    now,
    monotonic,
    random: options.random,
    emit,
  }
  const notices: NoticeWorld = {
    ...{ spool, leases, leaseMs, now, emit, notifier: settler.notifier },
    show: (id) => spool.admin.show(id),
    wake: (lane) => scheduler.wake(lane),
  }
  return {
    turn: (lane, context) =>
      lane === NOTICE_LANE ? runNoticeTurn(context, notices) : logins.guard(lane, () => runTurn(lane, context, world)),
    inFlight: () => leases.size,
    waiting,
    suspendedLogins: () => logins.suspended(),
    reopenRoutes: () => logins.reopenAll(),
    forgetDeadHosts: () => dead.clear(),
    heardOfHost: (news) => dead.heard(news),
    close: async () => {
      leases.close()
      await Promise.all([pool.close(), facts.close()])
    },
  }
}

function loginsOf(options: DeliveryOptions): Logins {
  const { tellOfLogin, now, random } = options
  return tellOfLogin === undefined ? loginBreaker(options) : loginsToldElsewhere(tellOfLogin, { now, random })
}

export function loginBreaker({
  now,
  random,
  emit,
  scheduler,
}: Pick<DeliveryOptions, 'now' | 'random' | 'emit' | 'scheduler'>): LoginBreaker {
  // The back-off of the lane was of a trouble that is over.
  return new LoginBreaker({ now, random, emit, wake: (lane) => scheduler.wake(lane, undefined, 'operator') })
}

function turnLimits({ batch = BATCH, stopGraceMs = STOP_GRACE_MS }: DeliveryOptions) {
  return { batch, stopGraceMs }
}

export function factsSource(options: DestinationOptions): FactsSource {
  const { resolver, guard, self, random, now, monotonic, addressesPerHostMax, emit } = options
  return new FactsSource({
    ...{ resolver, guard, self, random, now, monotonic, sts: options.sts },
    ...{ smarthostGuard: options.smarthostGuard, routes: options.routes, dane: options.dane, siteFor: options.siteFor },
    ...{ preload: options.preload, overrides: options.overrides, enforcement: options.enforcement },
    demandFor: options.demandFor ?? (() => 'nothing'),
    onDefect: (lane, error) =>
      emit({ event: 'delivery-defect', lane: laneId(lane), detail: String(error), messages: 0 }),
    onFailedRefetch: (failure) => options.reports?.failedFetch(failedFetch(failure)),
    ...(addressesPerHostMax === undefined ? {} : { addressesPerHostMax }),
  })
}

export function settlerOptions(options: DeliveryOptions, leases: LeaseKeeper): TurnWorld['settler'] {
  const { spool, scheduler, now, random, emit } = options
  return {
    ...{ spool, leases, now, random, emit },
    routing: mailRouting(routingOptions(options)),
    wake: (lane, dueAt) => scheduler.wake(lane, dueAt),
    retry: options.retry ?? defaultRetryOptions,
    notices: options.notices ?? defaultNoticeSettings,
    notifier: notifierOptions(options),
  }
}

function notifierOptions(options: DeliveryOptions): NotifierOptions {
  const { spool, hostname, postmaster, now, signNotice: sign } = options
  const routing = routingOptions(options)
  const { retry = defaultRetryOptions } = options
  return {
    ...{ spool, hostname, postmaster, now, sign },
    laneFor: (recipient) => laneForNotice(recipient, routing),
    dsnMaxAgeMs: retry.dsnMaxAgeMs,
  }
}

function routingOptions({ port, routes, sources }: DestinationOptions): RoutingOptions {
  return { port, routes, pool: defaultPool(sources) }
}

function deadHosts({ monotonic, timeouts = DEFAULT_TIMEOUTS, deadHostMs, tellOfHost }: DeliveryOptions): DeadHosts {
  const probeMs = timeouts.connectMs
  return new DeadHosts({
    monotonic,
    probeMs,
    tell: tellOfHost,
    ...(deadHostMs === undefined ? {} : { forMs: deadHostMs }),
  })
}

interface AttemptParts {
  readonly pool: ConnectionPool
  readonly dead: DeadHosts
  readonly logins: Pick<Logins, 'accepted'>
}

function attemptOptions(options: DeliveryOptions, { pool, dead, logins }: AttemptParts): TurnWorld['attempt'] {
  const { hostname, emit, reports, now, monotonic, ca = [], timeouts = DEFAULT_TIMEOUTS } = options
  const sources = new SourceAddresses({ pools: options.sources, monotonic })
  return {
    ...{ pool, reports },
    dial: {
      ...{ dead, sources, timeouts, now, monotonic, attemptDelayMs: options.connectionAttemptDelayMs },
      onSourceMissing: ({ address }) => emit({ event: 'source-address-missing', address }),
    },
    connectionsMax: options.connectionsPerAttemptMax ?? CONNECTIONS_PER_ATTEMPT_MAX,
    session: {
      ...{ hostname, timeouts, ca, now, chunking: options.chunking },
      onFallback: ({ lane, policyDomain, remote }, failure, to) =>
        emit({ event: 'tls-fallback', lane, nextHop: policyDomain, remote, failure, to }),
      onLoggedIn: ({ lane }) => logins.accepted(lane),
      onLoginFailed: ({ lane, remote }, { username }, problem) =>
        emit({ event: 'smarthost-login-failed', lane, remote, username, reason: problem.kind, said: saidOf(problem) }),
      onJudged: tellOfJudged(options),
    },
  }
}
