/**
 * Everything behind the spool: name servers, guard, policies, delivery. Running when this returns.
 */
import { type Listener, ok, type Result } from '@hermetic/policy'
import type { ResultStore } from '@hermetic/reporter'
import type { LaneWaits } from '../admin/waits-order.ts'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import type { Config } from '../config/schema.ts'
import { createDelivery, type Delivery, type DeliveryOptions } from '../delivery/delivery.ts'
import type { LaneId } from '../delivery/lane.ts'
import type { SuspendedLogin } from '../delivery/login-breaker.ts'
import type { RestingLanes } from '../delivery/resting-lanes.ts'
import type { RoutingOptions } from '../delivery/routing.ts'
import { retrySuspects } from '../delivery/suspect-retry.ts'
import type { WaitingLanes } from '../delivery/waiting-lanes.ts'
import { watchAges } from '../delivery/watch-ages.ts'
import { createExplainer, type Explain } from '../explain/explainer.ts'
import type { RecordedSpool } from '../history/recorded-spool.ts'
import type { LocalPolicyReport } from '../local-policy/report.ts'
import type { LogEvent } from '../observability/log-events.ts'
import type { Turn } from '../schedule/lane-scheduler.ts'
import type { RetryOptions } from '../schedule/retry-schedule.ts'
import type { BeginSignature } from '../signing/dkim.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { configuredLimits } from './configured-limits.ts'
import { configuredSources } from './configured-sources.ts'
import { daneSource } from './dane-source.ts'
import { noticeOptions, retryOptions, reuseLimits } from './delivery-settings.ts'
import { type Destinations, destinationOptions, network, readRoots } from './destination-options.ts'
import { type DnssecParts, type DnssecSide, startDnssecSide } from './dnssec-side.ts'
import { EgressGuard } from './egress-guard.ts'
import type { Engine } from './engine.ts'
import { explainWorld, routingIn } from './explain-world.ts'
import { limitsTold, waitsTold } from './limits-told.ts'
import { openLocalPolicies } from './local-policies.ts'
import type { NameServers } from './name-servers.ts'
import { type Opening, wholeOrNothing } from './opening.ts'
import { forgettingOnOrder, type Waking } from './ordered-attempts.ts'
import { tellNullMx } from './own-domains.ts'
import { type PolicySide, startPolicySide } from './policy-side.ts'
import { postmasterOf } from './postmaster.ts'
import type { Reloadable } from './reload.ts'
import { type WatchedResolver, watchResolver } from './resolver-watch.ts'
import type { SocketmapSources } from './socketmap-side.ts'
import { checkSources } from './source-check.ts'
import type { StartProblem } from './start-problem.ts'
import type { SuppressionSide } from './suppression-side.ts'
import { startCounting } from './tlsrpt-side.ts'

/**
 * One death says little: a power cut or a kill names everything that was in flight. Mail that was in flight at two
 * deaths in a row is delivered alone, in a child process, before it can take part in a third.
 */
export const SET_ASIDE_AFTER_DEATHS = 2

export interface DeliverySide {
  readonly reload: Reloadable
  /** For whoever has work for a lane. */
  readonly scheduler: Waking
  /** Once the ports are bound: our own listeners are never dialled. */
  setListeners(listeners: readonly Listener[]): void
  readonly resolver: WatchedResolver
  /** Undefined when something else answers in their place. */
  readonly nameServers: NameServers | undefined
  readonly dnssec: Pick<DnssecSide, 'state' | 'danePossible'>
  /** For operators and gauges. */
  readonly policies: Pick<PolicySide, 'admin' | 'count' | 'trouble'>
  readonly explain: Explain
  /** For orders about mail that waits. */
  readonly routing: RoutingOptions
  /** For the socketmap: what delivery itself goes by. */
  readonly sources: SocketmapSources
  /** What the operator says of policies, as it stands now. */
  readonly localPolicies: () => LocalPolicyReport
  /** Messages that are claimed and not settled. */
  inFlight(): number
  /** What keeps the mail of a lane from being tried. */
  waitOf(lane: LaneId): LaneWaits
  /** Lanes that wait, by limit. */
  waiting(): ReturnType<WaitingLanes['counts']>
  /** Routes whose smarthost refuses our login. */
  suspendedRoutes(): readonly SuspendedLogin[]
  stop(graceMs: number): Promise<void>
}

export interface DeliveryParts extends Omit<DnssecParts, 'openDnssecMemory'> {
  readonly engine: Pick<Engine, 'scheduler' | 'permits' | 'openPolicies' | 'openDnssecMemory'>
  /** The engine's, as it is recorded. */
  readonly spool: RecordedSpool
  readonly beginSignature: BeginSignature | undefined
  /** Absent: no address is suppressed. */
  readonly suppression?: Pick<SuppressionSide, 'find'> | undefined
  /** Where sessions are counted for reports; absent: nowhere. */
  readonly results?: ResultStore | undefined
  /** Where turns run; absent: here. */
  readonly openDelivery?: ((options: DeliveryOptions) => Delivery | Promise<Delivery>) | undefined
  /** Which lanes rest, of all threads. */
  readonly resting: Pick<RestingLanes, 'restOf'>
  /** Counts the turns that run. */
  readonly counted: (turn: Turn) => Turn
  readonly emit: (event: LogEvent) => void
}

export async function startDeliverySide(
  config: Config,
  parts: DeliveryParts,
): Promise<Result<DeliverySide, StartProblem>> {
  const sources = await checkSources(configuredSources(config))
  if (!sources.ok) return sources
  const side = await wholeOrNothing((opening) => startParts(config, { ...parts, opening }))
  if (side.ok) void tellNullMx(config, { resolver: side.value.resolver, emit: parts.emit })
  return side
}

async function startParts(
  config: Config,
  parts: DeliveryParts & { readonly opening: Opening },
): Promise<Result<DeliverySide, StartProblem>> {
  const { engine, spool, beginSignature, suppression, results, counted, emit, opening, ...outside } = parts
  const ca = readRoots(config)
  if (!ca.ok) return ca
  const local = openLocalPolicies(config, { emit, now: Date.now })
  if (!local.ok) return local
  const dnssec = await startDnssecSide(config, { ...outside, openDnssecMemory: engine.openDnssecMemory, emit })
  opening.closesWith(() => dnssec.close())
  const resolver = watchResolver(dnssec.resolver)
  const counting = startCounting({ results, resolver, dataDir: config.data_dir, emit })
  const { reports } = counting
  opening.closesWith(() => counting.close())
  const policyGuard = new EgressGuard(config.egress.https_networks.map(network))
  const policies = startPolicySide(config, {
    ...{ resolver, emit, ca: ca.value, openPolicies: engine.openPolicies, reports },
    guard: (address, port) => policyGuard.judge(address, port),
  })
  if (!policies.ok) return policies
  opening.closesWith(() => policies.value.close())
  opening.closesWith(() => policies.value.stop())
  const { scheduler, permits } = engine
  const dane = daneSource(config, { resolver, dnssec, memory: policies.value.daneMemory, emit })
  const known = { resolver, emit, sts: policies.value.source, dane, ca: ca.value, local: local.value.settings }
  const destinations = destinationOptions(config, known)
  // One object for as long as the relay runs: a reload exchanges what is in it.
  const retry = retryOptions(config)
  const options = deliveryOptions(config, {
    ...destinations.options,
    ...{ spool, scheduler, permits, retry, ...noticeOptions(config, beginSignature) },
    ...{ suppressed: suppression?.find, reports },
  })
  const delivery = await (parts.openDelivery ?? createDelivery)(options)
  opening.closesWith(() => delivery.close())
  opening.closesWith(() => local.value.stop())
  if (config.role.includes('delivery')) local.value.start()
  const stopping = new AbortController()
  const { tried: suspects } = await startTurns(config, { ...parts, delivery, dnssec, options, signal: stopping.signal })
  return ok({
    scheduler: forgettingOnOrder(scheduler, () => forgetTrouble(delivery)),
    ...{ resolver, nameServers: dnssec.nameServers, dnssec, policies: policies.value },
    ...{ localPolicies: local.value.report, inFlight: () => delivery.inFlight() },
    sources: { resolver, sts: policies.value.source, dane, local: local.value.settings },
    ...telling(config, { delivery, destinations, policies: policies.value, resting: parts.resting }),
    reload: reloadable({ local: local.value, destinations, delivery, retry }),
    setListeners: (listeners) => {
      for (const one of [destinations, policyGuard]) one.setListeners(listeners)
    },
    stop: async (graceMs) => {
      stopping.abort()
      local.value.stop()
      await Promise.all([scheduler.stop(graceMs), suspects, policies.value.stop()])
      await closeInOrder([delivery, counting, policies.value, dnssec])
    },
  })
}

interface Told extends Pick<DeliveryParts, 'resting'> {
  readonly delivery: Delivery
  readonly destinations: Destinations
  readonly policies: PolicySide
}

/** What operators are told when they ask. */
function telling(
  config: Config,
  { delivery, destinations, policies, resting }: Told,
): Pick<DeliverySide, 'explain' | 'routing' | 'waitOf' | 'waiting' | 'suspendedRoutes'> {
  const { waiting } = delivery
  const limits = configuredLimits(config)
  const told = { policies: policies.lookups, limitsOf: limitsTold(limits, waiting) }
  return {
    explain: createExplainer(explainWorld(destinations.options, { by: 'relay', ...told })),
    routing: routingIn(destinations.options),
    waitOf: waitsTold(limits, delivery, resting),
    waiting: () => waiting.counts(),
    suspendedRoutes: () => delivery.suspendedLogins(),
  }
}

interface TurnParts extends Pick<DeliveryParts, 'engine' | 'spool' | 'counted' | 'emit'> {
  readonly delivery: Delivery
  readonly dnssec: DnssecSide
  readonly options: DeliveryOptions
  readonly opening: Opening
  readonly signal: AbortSignal
}

/** Turns are given when this returns, unless deliveries are held. The answer: what was set aside has been tried. */
async function startTurns(
  config: Config,
  { engine: { scheduler }, counted, delivery, dnssec, options, opening, ...parts }: TurnParts,
): Promise<{ readonly tried: Promise<void> }> {
  const delivers = config.role.includes('delivery')
  const run = async (): Promise<void> => {
    // Who has another role tells the others of its wakes, as a node that drains.
    if (!delivers) await scheduler.pause(0)
    await scheduler.run(counted(delivery.turn), { slots: config.delivery.concurrency })
  }
  const held = delivers && dnssec.held()
  opening.closesWith(() => scheduler.stop(0))
  if (!held) await run()
  const tried = async (): Promise<void> => {
    if (held && (await untilReleased(dnssec, parts.signal))) await run()
    if (delivers) await Promise.all([trySuspects(options, parts), sweepAges(options, parts)])
  }
  return { tried: tried() }
}

/** What was opened, and what the configuration says to it. */
export function deliveryOptions(
  config: Config,
  opened: Omit<DeliveryOptions, 'postmaster' | 'reuse' | 'stopGraceMs'>,
): DeliveryOptions {
  return {
    ...opened,
    postmaster: formatAddress(postmasterOf(config)),
    reuse: reuseLimits(config),
    stopGraceMs: config.delivery.stop_grace,
  }
}

function forgetTrouble(delivery: Pick<Delivery, 'forgetDeadHosts' | 'reopenRoutes'>): void {
  delivery.forgetDeadHosts()
  delivery.reopenRoutes()
}

async function closeInOrder(parts: readonly { close(): void | Promise<void> }[]): Promise<void> {
  for (const part of parts) await part.close()
}

interface LiveParts {
  readonly local: Reloadable
  readonly destinations: Pick<Destinations, 'useRoutes'>
  readonly delivery: Pick<Delivery, 'reopenRoutes'>
  readonly retry: RetryOptions
}

export function reloadable({ local, destinations, delivery, retry }: LiveParts): Reloadable {
  return {
    prepare: async (next) => {
      const policies = await local.prepare(next)
      if (!policies.ok) return policies
      return ok(() => {
        policies.value()
        destinations.useRoutes(next)
        delivery.reopenRoutes()
        Object.assign(retry, retryOptions(next))
      })
    },
  }
}

/** Deliveries are held for want of a validator: nothing is claimed until it is there (architecture, decision 6). */
async function untilReleased({ released }: DnssecSide, stopping: AbortSignal): Promise<boolean> {
  const stopped = new Promise<void>((resolve) => stopping.addEventListener('abort', () => resolve(), { once: true }))
  await Promise.race([released, stopped])
  return !stopping.aborted
}

/** A defect in here must not end the relay; mail that its lanes try is told of and given up all the same. */
async function sweepAges(
  delivery: DeliveryOptions,
  { spool, emit, signal }: Pick<DeliveryParts, 'spool' | 'emit'> & { readonly signal: AbortSignal },
): Promise<void> {
  try {
    await watchAges(delivery, { spool, signal })
  } catch (error) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    emit({ event: 'delivery-defect', lane: NOTICE_LANE, detail, messages: 0 })
  }
}

/** A defect in here must not end the relay: the suspects stay set aside until the next start. */
async function trySuspects(
  delivery: DeliveryOptions,
  { spool, emit, signal }: Pick<DeliveryParts, 'spool' | 'emit'> & { readonly signal: AbortSignal },
): Promise<void> {
  try {
    await retrySuspects({
      ...{ spool, delivery, signal },
      suspects: spool.suspects,
      setAsideAfterDeaths: SET_ASIDE_AFTER_DEATHS,
      onTried: ({ id, lane, end }) => emit({ event: 'suspect-tried', id, lane, end: end.kind }),
    })
  } catch (error) {
    emit({ event: 'delivery-store-failed', step: 'claim', detail: String(error) })
  }
}
