/**
 * `data_dir/admin.sock`: the verbs of the command line, for whoever may open the socket (mode 0600). There is
 * no other way to order anything from a running relay.
 */
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { type PolicyAdmin, PolicyCacheUnavailable, type Result } from '@hermetic/policy'
import { ResultStoreUnavailable } from '@hermetic/reporter'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { systemErrorCode } from '../config/system-error.ts'
import type { LaneId } from '../delivery/lane.ts'
import type { Explain } from '../explain/explainer.ts'
import { HistoryUnavailable } from '../history/delivery-history.ts'
import type { LimitReport } from '../limits/limit-report.ts'
import type { LocalPolicyReport } from '../local-policy/report.ts'
import { NodesUnavailable } from '../nodes/node-registry.ts'
import type { NodeService } from '../nodes/node-service.ts'
import type { RelayEvent } from '../observability/relay-events.ts'
import type { ReportAdmin } from '../reporting/report-admin.ts'
import { type QueueAction, type QueueChange, type SpoolAdmin, StoreUnavailable } from '../spool/spool.ts'
import type { SuppressionEvent } from '../suppression/events.ts'
import { type SuppressionList, SuppressionUnavailable } from '../suppression/suppression-list.ts'
import {
  parseChangeRequest,
  parseListRequest,
  parseShowRequest,
  REQUEST_BYTES_MAX,
  type RelayStatus,
} from './control-protocol.ts'
import { carryOutExplain, parseExplainRequest } from './explain-order.ts'
import { type HttpService, serveHttp } from './http-service.ts'
import { nodesOrders } from './nodes-orders.ts'
import { type ObservedSearch, observedOrder } from './observed-order.ts'
import { overridesOrder } from './overrides-order.ts'
import { policyOrders } from './policy-orders.ts'
import { type ReloadAnswer, reloadOrder } from './reload-order.ts'
import { reportOrders } from './report-orders.ts'
import { suppressionOrders } from './suppression-orders.ts'
import { type HistorySearch, traceOrder } from './trace-order.ts'
import { waitsOrder } from './waits-order.ts'

export interface ControlSocketOptions {
  readonly path: string
  readonly queue: SpoolAdmin
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
  /** Absent: the configuration cannot be read again. */
  readonly reload?: (() => Promise<ReloadAnswer>) | undefined
  readonly nodes?: Pick<NodeService, 'report' | 'order'>
  /** Absent: nothing is known of what lanes wait for. */
  readonly waitOf?: ((lane: LaneId) => LimitReport | undefined) | undefined
  status(): Promise<RelayStatus>
  /** Messages are due now that were not before, or the other way round. */
  queueChanged(action: QueueAction, changes: readonly QueueChange[]): void
  readonly emit: (event: RelayEvent | SuppressionEvent) => void
}

/** Another relay answers on the socket. */
export class SocketInUse extends Error {
  override readonly name = 'SocketInUse'
}

/** Rejects with `SocketInUse`, or with the system's error. */
export async function startControlSocket(options: ControlSocketOptions): Promise<HttpService> {
  if (await somebodyAnswers(options.path)) throw new SocketInUse(options.path)
  // Left behind by a relay that was killed: nobody listens on it any more.
  rmSync(options.path, { force: true })
  return serveHttp(controlApp(options), { kind: 'socket', path: options.path })
}

function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => {
      const code = systemErrorCode(error)
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(false)
      else reject(error)
    })
  })
}

function controlApp(options: ControlSocketOptions): Hono {
  const { queue, policies, explain, history, localPolicies, reports, status, queueChanged, emit } = options
  const app = new Hono()
  app.use(bodyLimit({ maxSize: REQUEST_BYTES_MAX, onError: (context) => context.json({ error: 'too-large' }, 413) }))

  app.post('/status', async (context) => context.json(await status()))
  app.post('/queue/summary', async (context) => context.json(await queue.summary()))
  app.post('/queue/list', (context) =>
    answer(context, parseListRequest, ({ filter, limit, after }) =>
      queue.list(filter, after === undefined ? { limit } : { limit, after }),
    ),
  )
  app.post('/queue/show', (context) => answer(context, parseShowRequest, (id) => queue.show(id)))
  app.post('/queue/change', (context) =>
    answer(context, parseChangeRequest, async ({ ids, action }) => {
      const changes = await queue.change(ids, action)
      const messages = changes.filter(({ result }) => result === 'done').length
      emit({ event: 'queue-ordered', action: action.kind, messages })
      queueChanged(action, changes)
      return changes
    }),
  )
  if (explain !== undefined) {
    app.post('/explain', (context) =>
      answer(context, parseExplainRequest, (request) => carryOutExplain(explain, request, context.req.raw.signal)),
    )
  }
  for (const { path, parse } of [
    ...policyOrders(policies),
    traceOrder(history),
    observedOrder(history),
    overridesOrder(localPolicies),
    ...reportOrders(reports),
    ...suppressionOrders(options.suppression, emit),
    reloadOrder(options.reload),
    ...nodesOrders(options.nodes),
    waitsOrder(options.waitOf),
  ]) {
    app.post(path, (context) => answer(context, parse, (carryOut) => carryOut()))
  }

  app.onError((error, context) => {
    if (
      error instanceof StoreUnavailable ||
      error instanceof PolicyCacheUnavailable ||
      error instanceof HistoryUnavailable ||
      error instanceof ResultStoreUnavailable ||
      error instanceof SuppressionUnavailable ||
      error instanceof NodesUnavailable
    ) {
      return context.json({ error: 'unavailable', detail: error.message }, 503)
    }
    emit({ event: 'admin-failed', service: 'control', detail: String(error.stack ?? error) })
    return context.json({ error: 'defect', detail: error.message }, 500)
  })
  return app
}

async function answer<T>(
  context: Context,
  parse: (body: unknown) => Result<T, string>,
  act: (parsed: T) => Promise<unknown>,
): Promise<Response> {
  const parsed = parse(await context.req.json().catch(() => undefined))
  if (!parsed.ok) return context.json({ error: 'bad-request', detail: parsed.error }, 400)
  return context.json((await act(parsed.value)) ?? null)
}
