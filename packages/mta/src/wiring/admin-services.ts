/**
 * What the relay tells and takes besides mail: metrics and probes on TCP, orders on a socket of its data_dir.
 */
import { join } from 'node:path'
import { err, ok, type PolicyAdmin, type Result } from '@hermetic/policy'
import { type ControlOrdersOptions, controlOrders } from '../admin/control-orders.ts'
import { type RelayStatus, SOCKET_NAME } from '../admin/control-protocol.ts'
import { startControlSocket } from '../admin/control-socket.ts'
import type { EngineState } from '../admin/engine-state.ts'
import type { HttpService } from '../admin/http-service.ts'
import { startMetricsServer } from '../admin/metrics-server.ts'
import type { ObservedSearch } from '../admin/observed-order.ts'
import { type Readiness, type ReadinessFacts, readiness } from '../admin/readiness.ts'
import type { HistorySearch } from '../admin/trace-order.ts'
import type { LaneWaits } from '../admin/waits-order.ts'
import type { Config } from '../config/schema.ts'
import type { Explain } from '../explain/explainer.ts'
import type { HoldAdmin } from '../holds/hold-rules.ts'
import type { LocalPolicyReport } from '../local-policy/report.ts'
import type { NodeService } from '../nodes/node-service.ts'
import { rolesWithoutNode } from '../nodes/role.ts'
import type { RelayMetrics } from '../observability/adapters/prom-metrics.ts'
import type { LogEvent } from '../observability/log-events.ts'
import type { ReportAdmin } from '../reporting/report-admin.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import { type Spool, StoreUnavailable } from '../spool/spool.ts'
import type { SuppressionList } from '../suppression/suppression-list.ts'
import { type ApiSide, openApi } from './api-side.ts'
import type { CertificateWatch } from './certificate-watch.ts'
import type { DeliverySide } from './delivery-side.ts'
import type { OpenListener } from './listeners.ts'
import { type Opening, wholeOrNothing } from './opening.ts'
import type { Waking } from './ordered-attempts.ts'
import type { Reloader } from './reload.ts'
import { servedRoles, wantedRoles } from './served-roles.ts'
import type { StartProblem } from './start-problem.ts'
import { wakeChanged } from './wake-changed.ts'

export interface AdminServices {
  readonly metrics: HttpService
  readonly control: HttpService
  /** Undefined: it is off, or has no role here. */
  readonly api: ApiSide | undefined
}

export interface AdminParts {
  readonly spool: Spool
  readonly scheduler: Waking
  readonly listeners: readonly OpenListener[]
  readonly metrics: RelayMetrics
  /** Absent: MTA-STS is off. */
  readonly policies: PolicyAdmin | undefined
  readonly explain: Explain
  /** Absent: no history is kept. */
  readonly history: (HistorySearch & ObservedSearch) | undefined
  readonly localPolicies: () => LocalPolicyReport
  /** Absent: reports are off. */
  readonly reports: ReportAdmin | undefined
  /** Absent: no list is kept. */
  readonly suppression: SuppressionList | undefined
  readonly holds: HoldAdmin
  /** Those that hold mail now. */
  holdRules(): number
  readonly reloader: Reloader
  readonly certificates: Pick<CertificateWatch, 'troubles'>
  readonly version: string
  readonly emit: (event: LogEvent) => void
  readonly nodes: Pick<NodeService, 'state' | 'replaced' | 'reading' | 'report' | 'order'>
  resolver(): ReadinessFacts['resolver']
  dnssec(): ReadinessFacts['dnssec']
  engine(): EngineState
  threads(): ReadinessFacts['threads']
  waitOf: DeliverySide['waitOf']
  readonly routing: DeliverySide['routing']
  suspendedRoutes(): NonNullable<ReadinessFacts['suspendedRoutes']>
  policyTrouble(): ReadinessFacts['policyCache']
}

export function openAdmin(config: Config, parts: AdminParts): Promise<Result<AdminServices, StartProblem>> {
  return wholeOrNothing((opening) => openServices(config, parts, opening))
}

async function openServices(
  config: Config,
  parts: AdminParts,
  opening: Opening,
): Promise<Result<AdminServices, StartProblem>> {
  const { address, port } = config.metrics.listen
  const path = join(config.data_dir, SOCKET_NAME)
  const ready = (): Readiness =>
    readiness({
      ...{ phase: parts.nodes.state, replaced: parts.nodes.replaced },
      clockSkewMs: parts.nodes.reading().skewMs,
      store: parts.spool.health(),
      listeners: { wanted: config.listener.length, up: parts.listeners.length },
      threads: parts.threads(),
      resolver: parts.resolver(),
      dnssec: parts.dnssec(),
      engine: parts.engine(),
      policyCache: parts.policyTrouble(),
      waitingForRestart: parts.reloader.waiting(),
      certificates: parts.certificates.troubles(),
      suspendedRoutes: parts.suspendedRoutes(),
      roles: config.role,
      withoutNode: rolesWithoutNode(wantedRoles(config), parts.nodes.reading().nodes),
      holdRules: parts.holdRules(),
    })
  let metrics: HttpService
  try {
    metrics = await startMetricsServer({
      listen: { address, port },
      scrape: () => parts.metrics.scrape(),
      readiness: ready,
    })
  } catch (error) {
    return err({ kind: 'metrics', address, port, error })
  }
  opening.closesWith(() => metrics.close())
  parts.emit({ event: 'admin-listening', service: 'metrics', place: `${address}:${metrics.port}` })
  const orders: ControlOrdersOptions = {
    ...parts,
    queue: parts.spool.admin,
    waitOf: (lane) => ({ ...parts.waitOf(lane), ...phaseOf(parts.nodes.state) }),
    reload: () => parts.reloader.reload('order'),
    status: statusSource(config, { ...parts, metricsPort: metrics.port, ready }),
    queueChanged: (action, changes) => void wakeChanged(action, changes, parts).catch(() => undefined),
  }
  let control: HttpService
  try {
    control = await startControlSocket({ path, ...orders })
  } catch (error) {
    return err({ kind: 'control-socket', path, error })
  }
  opening.closesWith(() => control.close())
  parts.emit({ event: 'admin-listening', service: 'control', place: path })
  const api = await openApi(config, { orders: controlOrders(orders), opening, emit: parts.emit })
  if (!api.ok) return api
  if (api.value !== undefined) parts.reloader.add(api.value)
  return ok({ metrics, control, api: api.value })
}

function phaseOf(phase: NodeService['state']): Pick<LaneWaits, 'phase'> {
  return phase === 'draining' || phase === 'stopping' ? { phase } : {}
}

function statusSource(
  config: Config,
  parts: AdminParts & { readonly metricsPort: number; readonly ready: () => Readiness },
): () => Promise<RelayStatus> {
  const startedAt = Date.now()
  return async () => {
    const queue = await queueSummary(parts.spool)
    return {
      version: parts.version,
      node: process.versions.node,
      pid: process.pid,
      startedAt,
      hostname: formatDomain(config.hostname),
      directory: config.data_dir,
      roles: servedRoles(config),
      engine: parts.engine().engine,
      listeners: parts.listeners.map(({ name, config: { kind, tls }, listener: { address, port } }) => {
        return { name, kind, tls, address, port }
      }),
      metrics: { address: config.metrics.listen.address, port: parts.metricsPort },
      readiness: parts.ready(),
      store: parts.spool.health(),
      queue,
    }
  }
}

/** What is wrong with the rest is told although the queue cannot be read. */
async function queueSummary({ admin }: Pick<Spool, 'admin'>): Promise<RelayStatus['queue']> {
  try {
    const all = await admin.summary()
    const { laneCount, classes: _, lanes: __, oldestLanes: ___, tags: ____, heldByRules: _____, ...queue } = all
    return { ...queue, lanes: laneCount }
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error
    return undefined
  }
}
