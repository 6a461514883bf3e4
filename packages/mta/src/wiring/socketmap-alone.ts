/**
 * The socketmap as a process of its own, beside a Postfix and without a queue: DNS and its validator, the policy cache and
 * its refresh, metrics, and the listener. It owns the policies of its data_dir, as a relay does.
 */
import { ok, type Result, type SocketmapPlace } from '@hermetic/policy'
import { startMetricsServer } from '../admin/metrics-server.ts'
import { readiness } from '../admin/readiness.ts'
import type { Config } from '../config/schema.ts'
import { daneSource } from './dane-source.ts'
import { network, readRoots } from './destination-options.ts'
import { type DnssecParts, startDnssecSide } from './dnssec-side.ts'
import { EgressGuard } from './egress-guard.ts'
import { openLocalPolicies } from './local-policies.ts'
import { type Opening, wholeOrNothing } from './opening.ts'
import { openPolicyKeeping } from './policy-keeping.ts'
import { startPolicySide } from './policy-side.ts'
import type { RelayOptions } from './relay-options.ts'
import { watchResolver } from './resolver-watch.ts'
import { openSocketmapAt } from './socketmap-side.ts'
import type { StartProblem } from './start-problem.ts'
import { type Telling, tell } from './telling.ts'

export interface SocketmapAlone {
  /** 0 for a path. */
  readonly port: number
  readonly metricsPort: number
  stop(): Promise<void>
}

export interface SocketmapAloneOptions
  extends Pick<RelayOptions, 'logStream' | 'onEvent'>,
    Omit<DnssecParts, 'emit' | 'openDnssecMemory'> {
  readonly version: string
}

/** There is no queue in here. */
const NO_QUEUE = {
  ...{ messages: 0, recipientsOpen: 0, held: 0, heldByRules: 0, quarantined: 0, bytes: 0 },
  classes: { urgent: 0, normal: 0, bulk: 0 },
  ...{ laneCount: 0, lanes: [], oldestLanes: [], tags: [] },
} as const
const HEALTH = { intake: 'open', claims: 'open', detail: '', usedBytes: 0, maxBytes: 0 } as const

export async function startSocketmapAlone(
  place: SocketmapPlace,
  config: Config,
  options: SocketmapAloneOptions,
): Promise<Result<SocketmapAlone, StartProblem>> {
  const telling = tell(config, options)
  const started = await wholeOrNothing((opening) => opened(place, config, { ...options, telling, opening }))
  if (!started.ok) telling.flush()
  return started
}

interface Parts extends SocketmapAloneOptions {
  readonly telling: Telling
  readonly opening: Opening
}

async function opened(
  place: SocketmapPlace,
  config: Config,
  { telling, opening, ...outside }: Parts,
): Promise<Result<SocketmapAlone, StartProblem>> {
  const { emit } = telling
  opening.closesWith(() => telling.flush())
  const ca = readRoots(config)
  if (!ca.ok) return ca
  const local = openLocalPolicies(config, { emit, now: Date.now })
  if (!local.ok) return local
  const keeping = await openPolicyKeeping(config, emit)
  opening.closesWith(() => keeping.close())
  const dnssec = await startDnssecSide(config, { ...outside, ...keeping, emit })
  opening.closesWith(() => dnssec.close())
  const resolver = watchResolver(dnssec.resolver)
  const guard = new EgressGuard(config.egress.https_networks.map(network))
  const policies = startPolicySide(config, {
    ...{ resolver, emit, ca: ca.value },
    openPolicies: keeping.openPolicies,
    guard: (address, port) => guard.judge(address, port),
  })
  if (!policies.ok) return policies
  const { source: sts, daneMemory: memory, count } = policies.value
  opening.closesWith(() => policies.value.close())
  opening.closesWith(() => policies.value.stop())
  const dane = daneSource(config, { resolver, dnssec, memory, emit })
  local.value.start()
  opening.closesWith(() => local.value.stop())
  const sources = { resolver, sts, dane, local: local.value.settings }
  const socketmap = await openSocketmapAt(place, config, { ...sources, opening, emit })
  if (!socketmap.ok) return socketmap
  if (place.kind === 'tcp') guard.setListeners([{ address: place.address, port: socketmap.value.port }])

  const metrics = telling.count({
    ...{ summary: async () => NO_QUEUE, health: () => HEALTH, now: Date.now },
    policies: async () => count?.(),
  })
  const ready = () =>
    readiness({
      ...{ phase: 'running', store: HEALTH, listeners: { wanted: 1, up: 1 } },
      ...{ resolver: resolver.state(), dnssec: dnssec.state() },
    })
  const served = await servedMetrics(config, { scrape: () => metrics.scrape(), readiness: ready })
  if (!served.ok) return served
  opening.closesWith(() => served.value.close())
  emit({ event: 'admin-listening', service: 'metrics', place: `${config.metrics.listen.address}:${served.value.port}` })
  return ok({ port: socketmap.value.port, metricsPort: served.value.port, stop: () => opening.close() })
}

async function servedMetrics(
  { metrics: { listen } }: Config,
  options: Omit<Parameters<typeof startMetricsServer>[0], 'listen'>,
): Promise<Result<Awaited<ReturnType<typeof startMetricsServer>>, StartProblem>> {
  const { address, port } = listen
  try {
    return ok(await startMetricsServer({ listen: { address, port }, ...options }))
  } catch (error) {
    return { ok: false, error: { kind: 'metrics', address, port, error } }
  }
}
