/**
 * Composition root: configuration → adapters → wiring → start, drain, stop. The only place that knows all rooms;
 * decisions are made in them, never here.
 *
 * Order of the start: the spool is locked and replayed, deliveries run, then listeners, probes and orders open.
 * The stop goes the other way round (architecture, decision 11).
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { Config } from './config/schema.ts'
import { openPinoLog } from './observability/adapters/pino-log.ts'
import { openPromMetrics } from './observability/adapters/prom-metrics.ts'
import type { LogEvent } from './observability/log-events.ts'
import { judgeNodeVersion, NODE_FIXES } from './observability/node-version.ts'
import { formatDomain } from './smtp/mail-address.ts'
import { openSqliteSpool } from './spool/adapters/sqlite-spool.ts'
import { openAdmin } from './wiring/admin-services.ts'
import { type DeliverySide, startDeliverySide } from './wiring/delivery-side.ts'
import type { OpenListener } from './wiring/listeners.ts'
import type { RelayOptions } from './wiring/relay-options.ts'
import type { StartProblem } from './wiring/start-problem.ts'
import { openSubmissionSide } from './wiring/submission-side.ts'

export type { RelayOptions } from './wiring/relay-options.ts'
export type { StartProblem } from './wiring/start-problem.ts'

export interface Relay {
  readonly listeners: readonly OpenListener[]
  readonly metricsPort: number
  readonly nameServers: DeliverySide['nameServers']
  /** Messages that waited when the relay came up. */
  readonly waiting: number
  /** Stores what has arrived, settles what has left, and closes everything. Repeated calls wait for the first. */
  stop(signal: string): Promise<void>
}

/** Messages on their way in get this long to be stored and answered. */
const LISTENER_GRACE_MS = 5_000
/** After the grace of decision 11: for settles to be committed. */
const SETTLE_GRACE_MS = 5_000

export async function startRelay(config: Config, options: RelayOptions): Promise<Result<Relay, StartProblem>> {
  const startedMono = performance.now()
  const log = openPinoLog({
    level: config.log.level,
    addresses: config.log.addresses,
    ...(options.logStream === undefined ? {} : { stream: options.logStream }),
  })
  let metrics: ReturnType<typeof openPromMetrics> | undefined
  const emit = (event: LogEvent): void => {
    log.emit(event)
    metrics?.emit(event)
    options.onEvent?.(event)
  }
  tellStart(config, options, emit)

  const spool = await openSqliteSpool({
    dataDir: config.data_dir,
    maxBytes: config.queue.max_bytes,
    emit,
    ...(options.spoolHooks === undefined ? {} : { hooks: options.spoolHooks }),
  })
  if (!spool.ok) {
    log.flush()
    return err({ kind: 'spool', error: spool.error })
  }
  const store = spool.value
  metrics = openPromMetrics({ summary: () => store.admin.summary(), health: () => store.health(), now: Date.now })

  /** In the order of the start; closed the other way round. */
  const closing: (() => Promise<void>)[] = [async () => log.flush(), () => store.close()]
  const failed = async (problem: StartProblem): Promise<Result<Relay, StartProblem>> => {
    for (const close of closing.reverse()) await close()
    return err(problem)
  }

  const delivery = await startDeliverySide(config, { ...options, spool: store, emit })
  if (!delivery.ok) return failed(delivery.error)
  const { scheduler, guard, resolver, nameServers } = delivery.value
  const stopDelivery = (): Promise<void> => delivery.value.stop(config.delivery.stop_grace + SETTLE_GRACE_MS)

  const opened = await openSubmissionSide(config, { ...options, spool: store, scheduler, emit })
  if (!opened.ok) {
    closing.push(stopDelivery)
    return failed(opened.error)
  }
  const listeners = opened.value
  const closeListeners = listeners.map(
    ({ listener }) =>
      () =>
        listener.close(LISTENER_GRACE_MS),
  )
  // Mail that still arrives is stored and waits for the next start; nobody waits for the other side.
  closing.push(async () => void (await Promise.all([stopDelivery, ...closeListeners].map((close) => close()))))
  guard.setListeners(listeners.map(({ listener: { address, port } }) => ({ address, port })))

  let phase: 'running' | 'stopping' = 'running'
  const admin = await openAdmin(config, {
    ...{ spool: store, scheduler, listeners, metrics, emit, version: options.version },
    phase: () => phase,
    resolver: () => resolver.state(),
  })
  if (!admin.ok) return failed(admin.error)
  const { control, metrics: probes } = admin.value
  // Probes answer until the end; orders stop first, because nobody may change a queue that is being closed.
  closing.splice(2, 0, () => probes.close())
  closing.push(() => control.close())

  const { messages: waiting } = await store.admin.summary()
  emit({ event: 'relay-ready', durationMs: Math.round(performance.now() - startedMono) })
  const stop = async (signal: string): Promise<void> => {
    const since = performance.now()
    phase = 'stopping'
    emit({ event: 'relay-stopping', signal, graceMs: config.delivery.stop_grace })
    const [flush, ...others] = closing
    for (const close of others.reverse()) await close()
    emit({ event: 'relay-stopped', durationMs: Math.round(performance.now() - since) })
    await flush?.()
  }
  let stopping: Promise<void> | undefined
  return ok({
    ...{ listeners, nameServers, waiting },
    metricsPort: probes.port,
    stop: (signal) => {
      stopping ??= stop(signal)
      return stopping
    },
  })
}

function tellStart(config: Config, { version }: RelayOptions, emit: (event: LogEvent) => void): void {
  const { node } = process.versions
  const hostname = formatDomain(config.hostname)
  emit({ event: 'relay-starting', version, node, pid: process.pid, hostname, directory: config.data_dir })
  const verdict = judgeNodeVersion(node)
  if (verdict.kind === 'outdated' || verdict.kind === 'unsupported') {
    emit({ event: 'node-outdated', node, fixedIn: verdict.fixedIn, detail: NODE_FIXES })
  }
}
