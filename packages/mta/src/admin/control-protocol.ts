/**
 * What the command line and the running relay say to each other over `admin.sock`: JSON requests by POST, one
 * path for each verb. Requests are checked here; answers come from our own relay and are not.
 */

import { err, ok, type Result } from '@hermetic/policy'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { type LaneId, parseLaneId } from '../delivery/lane.ts'
import { RULE_ID } from '../holds/hold-rule.ts'
import type { Role } from '../nodes/role.ts'
import { parseQueueId, type QueueId } from '../spool/queue-id.ts'
import type { QueueFilter, QueueSummary, ShapeBy, SpoolHealth } from '../spool/spool.ts'
import type { EngineState } from './engine-state.ts'
import type { Readiness } from './readiness.ts'
import type { QueueOrder } from './routed-queue.ts'

export const SOCKET_NAME = 'admin.sock'

/** One request changes at most so many messages; the command line asks again for more. */
export const IDS_MAX = 1_000
/** Messages of one page: with a thousand recipients each, still well within memory. */
export const PAGE_MAX = 200
/** More than this in one order is a queue to be looked at first; the next order takes the rest. */
export const ORDER_MAX = 1_000_000
/** A thousand ids with room to spare. */
export const REQUEST_BYTES_MAX = 128 * 1024

export interface RelayStatus {
  readonly version: string
  readonly node: string
  readonly pid: number
  /** UTC milliseconds. */
  readonly startedAt: number
  readonly hostname: string
  readonly directory: string
  /** What it does. */
  readonly roles: readonly Role[]
  readonly engine: EngineState['engine']
  readonly listeners: readonly ListenerStatus[]
  /** Where metrics and probes are served. */
  readonly metrics: { readonly address: string; readonly port: number }
  readonly readiness: Readiness
  readonly store: SpoolHealth
  /** Absent: its store does not answer, which readiness tells. */
  readonly queue?: QueueTotals | undefined
}

/** `lanes`: how many there are. */
export type QueueTotals = Omit<
  QueueSummary,
  'heldByRules' | 'classes' | 'laneCount' | 'lanes' | 'oldestLanes' | 'tags'
> & {
  readonly lanes: number
}

export interface ListenerStatus {
  readonly name: string
  readonly kind: 'submission' | 'relay'
  readonly address: string
  readonly port: number
  readonly tls: 'none' | 'starttls' | 'implicit'
}

export interface ListRequest {
  readonly filter: QueueFilter
  readonly limit: number
  readonly after?: QueueId
}

export interface ShapeRequest {
  readonly by: ShapeBy
  readonly limit: number
  /** The totals too. */
  readonly summary: boolean
}

export interface ChangeRequest {
  readonly ids: readonly QueueId[]
  readonly action: QueueOrder
  /** Nothing is to change: what would? */
  readonly dry: boolean
}

/** The error says what is wrong, for whoever wrote the client. */
type Parsed<T> = Result<T, string>

export const SHAPES: readonly ShapeBy[] = ['lane', 'domain', 'sender', 'tag']
export const SHAPE_ROWS_MAX = 1_000

const TEXT_MAX = 1024
const REASON_MAX = 256

export function parseListRequest(body: unknown): Parsed<ListRequest> {
  const fields = fieldsOf(body, ['filter', 'limit', 'after'])
  if (!fields.ok) return fields
  const { filter, limit, after } = fields.value
  const wanted = parseFilter(filter)
  if (!wanted.ok) return wanted
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) return err('limit')
  if (after === undefined) return ok({ filter: wanted.value, limit })
  const id = parseId(after)
  return id === undefined ? err('after: not a queue id') : ok({ filter: wanted.value, limit, after: id })
}

export function parseShapeRequest(body: unknown): Parsed<ShapeRequest> {
  const fields = fieldsOf(body, ['by', 'limit', 'summary'])
  if (!fields.ok) return fields
  const by = SHAPES.find((known) => known === fields.value['by'])
  if (by === undefined) return err('by')
  const { limit, summary } = fields.value
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > SHAPE_ROWS_MAX) return err('limit')
  if (summary !== undefined && summary !== true) return err('summary')
  return ok({ by, limit, summary: summary === true })
}

export function parseShowRequest(body: unknown): Parsed<QueueId> {
  const fields = fieldsOf(body, ['id'])
  if (!fields.ok) return fields
  const id = parseId(fields.value['id'])
  return id === undefined ? err('id: not a queue id') : ok(id)
}

export function parseChangeRequest(body: unknown): Parsed<ChangeRequest> {
  const fields = fieldsOf(body, ['ids', 'action', 'dry'])
  if (!fields.ok) return fields
  const { ids, action, dry } = fields.value
  if (dry !== undefined && dry !== true) return err('dry')
  if (!Array.isArray(ids) || ids.length > IDS_MAX) return err(`ids: not a list of at most ${IDS_MAX}`)
  const parsed = ids.map(parseId)
  if (parsed.includes(undefined)) return err('ids: not all are queue ids')
  const order = parseAction(action)
  return order.ok ? ok({ ids: parsed.filter((id) => id !== undefined), action: order.value, dry: dry === true }) : order
}

function parseAction(action: unknown): Parsed<QueueOrder> {
  const fields = fieldsOf(action, ['kind', 'reason', 'notify', 'rule', 'to', 'usual', 'policyToo'])
  if (!fields.ok) return fields
  if (fields.value['kind'] === 'reroute') return parseReroute(action)
  const ofRoutes = ['to', 'usual', 'policyToo'].find((name) => fields.value[name] !== undefined)
  if (ofRoutes !== undefined) return err(`action.${ofRoutes}`)
  const { kind, reason, notify, rule } = fields.value
  if (rule !== undefined) {
    return kind === 'release' && isRuleId(rule) && reason === undefined ? ok({ kind, rule }) : err('action.rule')
  }
  if (notify !== undefined && (notify !== true || kind !== 'cancel')) return err('action.notify')
  if (kind === 'hold') {
    if (typeof reason !== 'string' || reason.length > REASON_MAX) return err('action.reason')
    return ok({ kind, reason })
  }
  if (reason !== undefined) return err('action.reason')
  if (kind === 'cancel') return ok(notify === true ? { kind, notify } : { kind })
  return kind === 'retry' || kind === 'release' ? ok({ kind }) : err('action.kind')
}

function parseReroute(action: unknown): Parsed<QueueOrder> {
  const fields = fieldsOf(action, ['kind', 'to', 'usual', 'policyToo'])
  if (!fields.ok) return fields
  const { to, usual, policyToo } = fields.value
  if (to !== undefined && (typeof to !== 'string' || to.length > TEXT_MAX)) return err('action.to')
  if (usual !== undefined && (usual !== true || to !== undefined)) return err('action.usual')
  if (policyToo !== undefined && (policyToo !== true || to === undefined)) return err('action.policyToo')
  return ok({
    kind: 'reroute',
    ...(to === undefined ? {} : { to }),
    ...(usual === undefined ? {} : { usual }),
    ...(policyToo === undefined ? {} : { policyToo }),
  })
}

function isRuleId(value: unknown): value is string {
  return typeof value === 'string' && RULE_ID.test(value)
}

const FILTER_TEXTS = ['lane', 'domain', 'sender', 'state', 'tag', 'rule'] as const

function parseFilter(filter: unknown): Parsed<QueueFilter> {
  const fields = fieldsOf(filter, [...FILTER_TEXTS, 'arrivedBefore'])
  if (!fields.ok) return fields
  const wrong = FILTER_TEXTS.find((name) => {
    const value = fields.value[name]
    return value !== undefined && (typeof value !== 'string' || value.length > TEXT_MAX)
  })
  if (wrong !== undefined) return err(`filter.${wrong}`)
  const { lane, domain, sender, state, tag, rule, arrivedBefore } = fields.value
  if (arrivedBefore !== undefined && !Number.isSafeInteger(arrivedBefore)) return err('filter.arrivedBefore')
  const known = state === 'queued' || state === 'held' || state === 'quarantined'
  if (state !== undefined && !known) return err('filter.state')
  if (lane !== undefined && lane !== NOTICE_LANE && parseLaneId(String(lane)) === undefined)
    return err('filter.lane: not a lane')
  return ok({
    // Parsed one line above.
    ...(lane === undefined ? {} : { lane: String(lane) as LaneId }),
    ...(domain === undefined ? {} : { domain: String(domain) }),
    ...(sender === undefined ? {} : { sender: String(sender) }),
    ...(known ? { state } : {}),
    ...(tag === undefined ? {} : { tag: String(tag) }),
    ...(rule === undefined ? {} : { rule: String(rule) }),
    ...(arrivedBefore === undefined ? {} : { arrivedBefore: Number(arrivedBefore) }),
  })
}

function parseId(value: unknown): QueueId | undefined {
  return typeof value === 'string' ? parseQueueId(value) : undefined
}

/** Unknown fields are refused: a client that means something by them must not be told "done". */
export function fieldsOf(value: unknown, known: readonly string[]): Parsed<Readonly<Record<string, unknown>>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return err('not an object')
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  return unknown === undefined ? ok({ ...value }) : err(`${unknown}: unknown field`)
}
