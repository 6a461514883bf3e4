/**
 * What a node says of itself with every beat, as it is kept for the others to read. Read tolerantly: nodes of an
 * older and of a newer version stand in one list. Bounded, whoever wrote it. Pure.
 */
import { ROLES, type Role } from './role.ts'

export type NodeId = string & { readonly __brand: 'NodeId' }

/** What a node does; `silent` is said by those who miss its beats (`standing.ts`). */
export type NodeState = 'starting' | 'running' | 'draining' | 'stopping'

export interface NodeRecord {
  readonly id: NodeId
  /** Of one start: two that have the same id are told apart by it. */
  readonly incarnation: string
  /** Of the machine. */
  readonly hostname: string
  readonly pid: number
  /** Where the pid means something (`own-pid-space.ts`); empty: not known. */
  readonly pidSpace: string
  readonly version: string
  /** UTC milliseconds, by the node's own clock. */
  readonly startedAt: number
  readonly state: NodeState
  /** What it does. */
  readonly roles: readonly Role[]
  /** `submission 192.0.2.1:587`. */
  readonly listeners: readonly string[]
  /** Lanes that have a turn here. */
  readonly lanes: number
  /** Messages that are claimed here and not settled. */
  readonly inFlight: number
  /** Messages accepted, and recipients delivered to, since the start and in the last minute. */
  readonly accepted: number
  readonly delivered: number
  readonly acceptedLately: number
  readonly deliveredLately: number
  /** How far the node's clock was ahead of the store's at its last beat; absent: there is no other clock. */
  readonly skewMs?: number
}

const NODE_ID = /^[0-9a-f]{12}$/
const TEXT_MAX = 255
/** More are not listed. */
const LISTENERS_MAX = 32
const STATES: readonly NodeState[] = ['starting', 'running', 'draining', 'stopping']

export function parseNodeId(text: string): NodeId | undefined {
  return NODE_ID.test(text) ? (text as NodeId) : undefined
}

export function formatNodeRecord(record: NodeRecord): string {
  const { hostname, listeners } = record
  const bounded = listeners.slice(0, LISTENERS_MAX).map((one) => one.slice(0, TEXT_MAX))
  return JSON.stringify({ ...record, hostname: hostname.slice(0, TEXT_MAX), listeners: bounded })
}

/** Never fails: what is missing or damaged is empty. A state that this version does not know counts as running. */
export function readNodeRecord(id: NodeId, text: string): NodeRecord {
  const said = fieldsOf(text)
  const words = (name: string): string => wordOf(said[name])
  const number = (name: string): number => numberOf(said[name]) ?? 0
  const skewMs = numberOf(said['skewMs'])
  const listeners = Array.isArray(said['listeners']) ? said['listeners'] : []
  return {
    id,
    incarnation: words('incarnation'),
    hostname: words('hostname'),
    pid: number('pid'),
    pidSpace: words('pidSpace'),
    version: words('version'),
    startedAt: number('startedAt'),
    state: STATES.find((state) => state === said['state']) ?? 'running',
    roles: rolesIn(said['roles']),
    listeners: listeners.slice(0, LISTENERS_MAX).map(wordOf),
    lanes: number('lanes'),
    inFlight: number('inFlight'),
    accepted: number('accepted'),
    delivered: number('delivered'),
    acceptedLately: number('acceptedLately'),
    deliveredLately: number('deliveredLately'),
    ...(skewMs === undefined ? {} : { skewMs }),
  }
}

/** Before there were roles every node did everything, and none had an API. */
const ROLES_BEFORE: readonly Role[] = ['submission', 'delivery', 'reporter']

function rolesIn(value: unknown): readonly Role[] {
  return Array.isArray(value) ? ROLES.filter((role) => value.includes(role)) : ROLES_BEFORE
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, TEXT_MAX) : ''
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
