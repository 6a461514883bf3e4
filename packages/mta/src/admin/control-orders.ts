/**
 * All orders to a running relay, in one list: the control socket and the API both give these and no others, so that what
 * one can do the other can too (`api/endpoints.test.ts`).
 */
import { ok, type PolicyAdmin, PolicyCacheUnavailable } from '@hermetic/policy'
import { ResultStoreUnavailable } from '@hermetic/reporter'
import type { LaneId } from '../delivery/lane.ts'
import type { Explain } from '../explain/explainer.ts'
import { HistoryUnavailable } from '../history/delivery-history.ts'
import type { HoldAdmin } from '../holds/hold-rules.ts'
import type { LocalPolicyReport } from '../local-policy/report.ts'
import { NodesUnavailable } from '../nodes/node-registry.ts'
import type { NodeService } from '../nodes/node-service.ts'
import type { RelayEvent } from '../observability/relay-events.ts'
import type { ReportAdmin } from '../reporting/report-admin.ts'
import { StoreUnavailable } from '../spool/spool.ts'
import type { SuppressionEvent } from '../suppression/events.ts'
import { type SuppressionList, SuppressionUnavailable } from '../suppression/suppression-list.ts'
import type { ControlOrder } from './control-order.ts'
import { fieldsOf, type RelayStatus } from './control-protocol.ts'
import { explainOrder } from './explain-order.ts'
import { holdOrders } from './hold-orders.ts'
import { nodesOrders } from './nodes-orders.ts'
import { type ObservedSearch, observedOrder } from './observed-order.ts'
import { overridesOrder } from './overrides-order.ts'
import { policyOrders } from './policy-orders.ts'
import { type QueueOrdersOptions, queueOrders } from './queue-orders.ts'
import { type ReloadAnswer, reloadOrder } from './reload-order.ts'
import { reportOrders } from './report-orders.ts'
import { suppressionOrders } from './suppression-orders.ts'
import { type HistorySearch, traceOrder } from './trace-order.ts'
import { type LaneWaits, waitsOrder } from './waits-order.ts'

export interface ControlOrdersOptions extends QueueOrdersOptions {
  /** Absent: MTA-STS is off. */
  readonly policies?: PolicyAdmin | undefined
  readonly explain?: Explain
  /** Absent: no history is kept. */
  readonly history?: (HistorySearch & ObservedSearch) | undefined
  readonly localPolicies?: (() => LocalPolicyReport) | undefined
  /** Absent: reports are off. */
  readonly reports?: ReportAdmin | undefined
  /** Absent: no list is kept. */
  readonly suppression?: SuppressionList | undefined
  readonly holds?: HoldAdmin | undefined
  /** Absent: the configuration cannot be read again. */
  readonly reload?: (() => Promise<ReloadAnswer>) | undefined
  readonly nodes?: Pick<NodeService, 'report' | 'order'>
  /** Absent: nothing is known of what lanes wait for. */
  readonly waitOf?: ((lane: LaneId) => LaneWaits) | undefined
  status(): Promise<RelayStatus>
  readonly emit: (event: RelayEvent | SuppressionEvent) => void
}

export function controlOrders(options: ControlOrdersOptions): readonly ControlOrder[] {
  return [
    statusOrder(options),
    ...queueOrders(options),
    explainOrder(options.explain),
    ...policyOrders(options.policies),
    traceOrder(options.history),
    observedOrder(options.history),
    overridesOrder(options.localPolicies),
    ...reportOrders(options.reports),
    ...suppressionOrders(options.suppression, options.emit),
    ...holdOrders(options.holds),
    reloadOrder(options.reload),
    ...nodesOrders(options.nodes),
    waitsOrder(options.waitOf),
  ]
}

function statusOrder({ status }: Pick<ControlOrdersOptions, 'status'>): ControlOrder {
  return {
    path: '/status',
    role: 'read',
    parse: (body) => {
      const fields = fieldsOf(body, [])
      return fields.ok ? ok(() => status()) : fields
    },
  }
}

/** Something that an order needs does not answer at the moment; the text says what. Undefined: a defect of ours. */
export function unavailable(error: Error): string | undefined {
  const kinds = [
    ...[StoreUnavailable, PolicyCacheUnavailable, HistoryUnavailable],
    ...[ResultStoreUnavailable, SuppressionUnavailable, NodesUnavailable],
  ]
  return kinds.some((kind) => error instanceof kind) ? error.message : undefined
}
