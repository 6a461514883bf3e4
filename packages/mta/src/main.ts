/**
 * Composition root: configuration → adapters → wiring → start, drain, stop. The only place that knows all rooms;
 * decisions are made in them, never here.
 *
 * Order of the start: the queue is opened and replayed, deliveries run, then listeners, probes and orders open.
 * The stop goes the other way round (architecture, decision 11).
 */
import { ok, type Result } from '@hermetic/policy'
import type { ResultStore } from '@hermetic/reporter'
import type { Config } from './config/schema.ts'
import { isRestNews, RestingLanes } from './delivery/resting-lanes.ts'
import type { LogEvent } from './observability/log-events.ts'
import { judgeNodeVersion, NODE_FIXES } from './observability/node-version.ts'
import type { BeginSignature } from './signing/dkim.ts'
import { formatDomain } from './smtp/mail-address.ts'
import type { ThreadReading } from './threads/thread-reading.ts'
import { type AdminServices, openAdmin } from './wiring/admin-services.ts'
import {
  type DeliveryParts,
  type DeliverySide,
  SET_ASIDE_AFTER_DEATHS,
  startDeliverySide,
} from './wiring/delivery-side.ts'
import { type DkimKeys, openDkimKeys } from './wiring/dkim-keys.ts'
import type { Engine } from './wiring/engine.ts'
import { type HistorySide, openHistorySide } from './wiring/history-side.ts'
import { type HoldSide, openHoldSide } from './wiring/hold-side.ts'
import type { OpenListener } from './wiring/listeners.ts'
import { joinNodes, type NodeSide } from './wiring/node-side.ts'
import { openEngine } from './wiring/open-engine.ts'
import { type Opening, wholeOrNothing } from './wiring/opening.ts'
import { quotasOn } from './wiring/quotas.ts'
import type { RelayOptions } from './wiring/relay-options.ts'
import { openReloader, type Reloadable, type Reloader } from './wiring/reload.ts'
import { openReportSide } from './wiring/report-side.ts'
import { openResultStore } from './wiring/result-store.ts'
import { openSocketmap } from './wiring/socketmap-side.ts'
import type { StartProblem } from './wiring/start-problem.ts'
import { openSubmissionSide, type SubmissionParts, type SubmissionSide } from './wiring/submission-side.ts'
import { openSuppressionSide, type SuppressionSide } from './wiring/suppression-side.ts'
import { type Telling, tell } from './wiring/telling.ts'
import { ThreadSide, type ThreadSideParts } from './wiring/thread-side.ts'

export type { RelayOptions } from './wiring/relay-options.ts'
export type { StartProblem } from './wiring/start-problem.ts'

export interface Relay {
  readonly listeners: readonly OpenListener[]
  readonly metricsPort: number
  /** Undefined: there is no API here. */
  readonly apiPort: number | undefined
  /** Undefined: Postfix is not served; 0 on a path. */
  readonly socketmapPort: number | undefined
  readonly nameServers: DeliverySide['nameServers']
  readonly dnssec: Pick<DeliverySide['dnssec'], 'state'>
  /** Messages that waited when the relay came up. */
  readonly waiting: number
  /** Goes on with the configuration as it is now. */
  reload: Reloader['reload']
  /** Stores what has arrived, settles what has left, and closes everything. Repeated calls wait for the first. */
  stop(signal: string): Promise<void>
}

/** Messages on their way in get this long to be stored and answered. */
const LISTENER_GRACE_MS = 5_000
/** After the grace of decision 11: for settles to be committed. */
const SETTLE_GRACE_MS = 5_000

export async function startRelay(config: Config, options: RelayOptions): Promise<Result<Relay, StartProblem>> {
  const startedMono = performance.now()
  const telling = tell(config, options)
  try {
    return await wholeOrNothing(async (opening) => {
      const relay = await openedOnSpool(config, { ...options, telling, opening })
      if (relay.ok) telling.emit({ event: 'relay-ready', durationMs: Math.round(performance.now() - startedMono) })
      return relay
    })
  } catch (error) {
    telling.emit({ event: 'relay-failed', detail: String(error instanceof Error ? error.stack : error) })
    telling.flush()
    throw error
  }
}

async function openedOnSpool(
  config: Config,
  parts: RelayOptions & Pick<OpenedParts, 'telling' | 'opening'>,
): Promise<Result<Relay, StartProblem>> {
  const { telling, opening, spoolHooks } = parts
  const { emit } = telling
  opening.closesWith(() => telling.flush())
  tellStart(config, parts, emit)
  const keys = openDkimKeys(config, emit)
  if (!keys.ok) return keys
  const engine = await openEngine(config, { setAsideAfterDeaths: SET_ASIDE_AFTER_DEATHS, emit, hooks: spoolHooks })
  if (!engine.ok) return engine
  let history: HistorySide | undefined
  opening.closesWith(() => history?.close())
  opening.closesWith(() => engine.value.close())
  const nodes = await joinNodes(config, { shared: engine.value.shared, version: parts.version, telling })
  if (!nodes.ok) return nodes
  opening.closesWith(() => nodes.value.service.close())
  await engine.value.takeBack?.()
  const holds = await openHoldSide(engine.value, emit)
  opening.closesWith(() => holds.stop())
  history = openHistorySide(config, { spool: holds.spool, telling })
  const suppression = openSuppressionSide(config, { engine: engine.value, telling })
  if (!suppression.ok) return suppression
  opening.closesWith(() => suppression.value?.close())
  const results = openResultStore(config, { shared: engine.value.shared, opening })
  if (!results.ok) return results
  const { spool } = history
  return opened(config, {
    ...{ ...parts, spool, history, engine: engine.value, nodes: nodes.value, keys: keys.value },
    beginSignature: keys.value.beginSignature,
    ...{ suppression: suppression.value, results: results.value, holds },
  })
}

interface OpenedParts extends RelayOptions {
  readonly engine: Engine
  readonly nodes: NodeSide
  readonly spool: HistorySide['spool']
  readonly history: HistorySide
  readonly suppression: SuppressionSide | undefined
  readonly holds: HoldSide
  readonly results: ResultStore | undefined
  readonly keys: DkimKeys
  readonly beginSignature: BeginSignature | undefined
  readonly telling: Telling
  readonly opening: Opening
}

async function opened(config: Config, parts: OpenedParts): Promise<Result<Relay, StartProblem>> {
  const { engine, nodes, spool, opening, telling } = parts
  const { emit } = telling
  let seen: Pick<DeliverySide, 'policies' | 'waiting'> = { policies: {}, waiting: () => ({ connections: 0, rate: 0 }) }
  const metrics = telling.count({
    ...{ summary: () => spool.admin.summary(), health: () => spool.health(), now: Date.now },
    ...{ policies: async () => seen.policies.count?.(), nodes: () => nodes.service.reading() },
    ...{ waiting: () => seen.waiting(), threads: () => threads?.reading() },
    holdRules: () => parts.holds.inForce(),
    earliestDue: async (before) => (await spool.dueLanes({ before, limit: 1 }))[0]?.dueAt,
  })
  let admin: Result<AdminServices, StartProblem> | undefined
  // Probes answer until the end; orders stop first, because nobody may change a queue that is being closed.
  opening.closesWith(async () => (admin?.ok ? admin.value.metrics.close() : undefined))
  const quotas = quotasOn(engine)
  const threads = openThreads(config, { ...parts, quotas })
  const delivery = await openDelivery(config, { ...parts, threads })
  if (!delivery.ok) return delivery
  const { scheduler, resolver, nameServers, dnssec } = delivery.value
  seen = delivery.value
  let listeners: readonly OpenListener[] = []
  // Mail that still arrives is stored and waits for the next start; neither side waits for the other.
  opening.closesWith(async () => {
    const listening = listeners.map(({ listener }) => listener.close(LISTENER_GRACE_MS))
    await Promise.all([delivery.value.stop(config.delivery.stop_grace + SETTLE_GRACE_MS), ...listening])
  })

  const submission = await openIntake(config, { ...parts, threads, scheduler, resolver, quotas, emit })
  if (!submission.ok) return submission
  listeners = submission.value.listeners
  opening.closesWith(() => submission.value.stop())
  const own = listeners.map(({ listener: { address, port } }) => ({ address, port }))
  delivery.value.setListeners(own)
  const reports = openReportSide(config, { ...parts, scheduler, resolver, listeners: own, emit })
  if (!reports.ok) return reports
  const socketmap = await openSocketmap(config, { ...delivery.value.sources, opening, emit })
  if (!socketmap.ok) return socketmap

  const reloader = reloaderOf(config, parts, [submission.value, delivery.value.reload])
  admin = await openAdmin(config, {
    ...{ ...adminParts(parts, delivery.value), threads: () => upOf(threads?.reading()) },
    ...{ listeners, metrics, reloader, reports: reports.value, certificates: submission.value.certificates },
  })
  if (!admin.ok) return admin
  const { control, api, metrics: metricsServer } = admin.value
  for (const one of [control, api]) opening.closesWith(() => one?.close())

  const { messages: waiting } = await spool.admin.summary()
  const graceMs = config.delivery.stop_grace + SETTLE_GRACE_MS
  await nodes.ready({ listeners, graceMs, scheduler: engine.scheduler, inFlight: () => delivery.value.inFlight() })
  const stop = stopOnce(async (signal) => {
    void nodes.service.stopping()
    await closeTelling(config, { signal, opening, emit })
  })
  return ok({
    ...{ listeners, nameServers, dnssec, waiting, socketmapPort: socketmap.value?.port },
    ...{ metricsPort: metricsServer.port, apiPort: api?.port },
    reload: reloader.reload,
    stop,
  })
}

/** Here, or turns in all threads. */
function openDelivery(
  config: Config,
  { threads, ...parts }: OpenedParts & { readonly threads: ThreadSide | undefined },
): Promise<Result<DeliverySide, StartProblem>> {
  const { nodes, telling } = parts
  const counted: DeliveryParts['counted'] = (turn) => nodes.work.counted(turn)
  const told = { emit: telling.emit, resting: restsHeard(telling) }
  return startDeliverySide(config, { ...parts, ...told, counted, openDelivery: threads?.openDelivery })
}

function restsHeard({ follow }: Pick<Telling, 'follow'>): RestingLanes {
  const resting = new RestingLanes(Date.now)
  follow((event) => {
    if (isRestNews(event)) resting.heard(event)
  })
  return resting
}

/** What operators may ask and order of what is open already. */
function adminParts(
  { spool, nodes, history, engine, suppression, holds, telling, version }: OpenedParts,
  delivery: DeliverySide,
) {
  const { scheduler, resolver, dnssec, policies, explain, localPolicies, waitOf, routing } = delivery
  return {
    ...{ spool, scheduler, explain, localPolicies, waitOf, routing, version, emit: telling.emit },
    ...{ policies: policies.admin, policyTrouble: () => policies.trouble?.() },
    suspendedRoutes: () => delivery.suspendedRoutes(),
    ...{ nodes: nodes.service, history: history.search, suppression: suppression?.list },
    ...{ holds: holds.admin, holdRules: () => holds.inForce() },
    ...{ resolver: () => resolver.state(), dnssec: () => dnssec.state(), engine: () => engine.state() },
  }
}

/** Sessions here, or in all threads. */
function openIntake(
  config: Config,
  { threads, ...parts }: SubmissionParts & { readonly threads: ThreadSide | undefined },
): Promise<Result<SubmissionSide, StartProblem>> {
  return threads === undefined ? openSubmissionSide(config, parts) : threads.openSubmission()
}

/** With `threads = 1` there is nothing of them: all is done here. */
function openThreads(
  config: Config,
  { opening, ...parts }: Omit<ThreadSideParts, 'aloneAfterDeaths'> & Pick<OpenedParts, 'opening'>,
): ThreadSide | undefined {
  if (config.threads === 1) return undefined
  const threads = new ThreadSide(config, { ...parts, aloneAfterDeaths: SET_ASIDE_AFTER_DEATHS })
  opening.closesWith(() => threads.close())
  return threads
}

function upOf(reading: ThreadReading | undefined): { readonly wanted: number; readonly up: number } | undefined {
  return reading === undefined ? undefined : { wanted: reading.wanted, up: reading.threads.length }
}

function reloaderOf(
  config: Config,
  { loadConfig: load, keys, suppression, telling: { emit } }: OpenedParts,
  running: readonly Reloadable[],
): Reloader {
  const parts = [keys, ...running, ...(suppression === undefined ? [] : [suppression])]
  return openReloader(config, { load, parts, emit })
}

function stopOnce(stop: Relay['stop']): Relay['stop'] {
  let stopping: Promise<void> | undefined
  return (signal) => {
    stopping ??= stop(signal)
    return stopping
  }
}

interface Stop {
  readonly signal: string
  readonly opening: Opening
  readonly emit: (event: LogEvent) => void
}

async function closeTelling(config: Config, { signal, opening, emit }: Stop): Promise<void> {
  const since = performance.now()
  emit({ event: 'relay-stopping', signal, graceMs: config.delivery.stop_grace })
  await opening.close(() => emit({ event: 'relay-stopped', durationMs: Math.round(performance.now() - since) }))
}

function tellStart(config: Config, { version }: RelayOptions, emit: (event: LogEvent) => void): void {
  const { node } = process.versions
  const hostname = formatDomain(config.hostname)
  const roles = config.role.join(', ')
  emit({ event: 'relay-starting', version, node, pid: process.pid, hostname, directory: config.data_dir, roles })
  const verdict = judgeNodeVersion(node)
  if (verdict.kind === 'outdated' || verdict.kind === 'unsupported') {
    emit({ event: 'node-outdated', node, fixedIn: verdict.fixedIn, detail: NODE_FIXES })
  }
}
