/** The nodes of a queue as a table for people, and as JSON for programs. Pure. */
import { isOutOfStep } from '../nodes/clock-skew.ts'
import type { NodesReport } from '../nodes/node-service.ts'
import { ROLES, type Role, rolesWithoutNode, WITHOUT_ROLE } from '../nodes/role.ts'
import { inOrder, type ListedNode } from '../nodes/standing.ts'
import { coloured, type Tone } from './colour.ts'
import { isoTime, type Paper } from './queue-text.ts'
import { counted, formatAge, formatTable } from './table.ts'

/** What `--json` prints; names are promises. */
export function nodeJson(
  node: ListedNode,
  { here, now }: Pick<NodesReport, 'here'> & { readonly now: number },
): string {
  const { skewMs } = node
  return JSON.stringify({
    node_id: node.id,
    here: node.id === here,
    hostname: node.hostname,
    pid: node.pid,
    version: node.version,
    state: node.standing,
    wish: node.wish ?? null,
    beat_age_ms: node.beatAgeMs,
    last_beat_at: isoTime(now - node.beatAgeMs),
    clock_skew_ms: skewMs ?? null,
    clock_out_of_step: skewMs === undefined ? null : isOff(skewMs),
    lanes: node.lanes,
    in_flight: node.inFlight,
    accepted: node.accepted,
    delivered: node.delivered,
    accepted_last_minute: node.acceptedLately,
    delivered_last_minute: node.deliveredLately,
    started_at: isoTime(node.startedAt),
    roles: node.roles,
    listeners: node.listeners,
  })
}

const COLUMNS = [
  { title: 'NODE' },
  { title: 'MACHINE' },
  { title: 'STATE' },
  { title: 'BEAT', align: 'right' },
  { title: 'CLOCK', align: 'right' },
  { title: 'LANES', align: 'right' },
  { title: 'IN FLIGHT', align: 'right' },
  { title: 'ACCEPTED/MIN', align: 'right' },
  { title: 'DELIVERED/MIN', align: 'right' },
  { title: 'UP', align: 'right' },
  { title: 'VERSION' },
  { title: 'ROLES' },
  { title: 'LISTENS' },
] as const

export interface NodesPaper extends Paper {
  /** Roles that somebody must have. */
  readonly wanted: readonly Role[]
  readonly colours: boolean
}

export function nodesText({ here, nodes }: NodesReport, { now, width, colours, wanted }: NodesPaper): string {
  const listed = inOrder(nodes)
  const table = formatTable(
    COLUMNS,
    listed.map((node) => cells(node, { here, now })),
    width,
  )
  const lines = table.split('\n')
  const toned = lines.map((line, at) => {
    const node = at === 0 ? undefined : listed[at - 1]
    return node === undefined ? line : coloured(line, toneOf(node), colours && toneOf(node) !== 'good')
  })
  const warnings = [
    ...silentWords(listed),
    ...clockWords(listed),
    ...idleWords(listed, wanted),
    ...versionWords(listed),
  ]
  return `${toned.join('\n')}${warnings.map((words) => `${words}\n`).join('')}`
}

function cells(node: ListedNode, { here, now }: Pick<NodesReport, 'here'> & { readonly now: number }): string[] {
  const silent = node.standing === 'silent'
  const live = (text: string): string => (silent ? '-' : text)
  return [
    node.id === here ? `${node.id} *` : node.id,
    node.hostname,
    stateWords(node),
    silent ? formatAge(node.beatAgeMs) : `${(node.beatAgeMs / 1_000).toFixed(1)}s`,
    node.skewMs === undefined ? '-' : skewWords(node.skewMs),
    live(String(node.lanes)),
    live(String(node.inFlight)),
    live(String(node.acceptedLately)),
    live(String(node.deliveredLately)),
    live(formatAge(now - node.startedAt)),
    node.version,
    roleWords(node),
    node.listeners.join(', '),
  ]
}

/** With an API or without: everything that mail needs. */
function roleWords({ roles }: ListedNode): string {
  return ROLES.every((role) => role === 'api' || roles.includes(role)) ? 'all' : roles.join(', ')
}

function stateWords({ standing, wish }: ListedNode): string {
  if (standing === 'running' && wish === 'drain') return 'running, is to drain'
  if (standing === 'draining' && wish === 'run') return 'draining, is to run'
  return standing
}

function skewWords(skewMs: number): string {
  const sign = skewMs > 0 ? '+' : ''
  const words = Math.abs(skewMs) < 1_000 ? `${sign}${skewMs}ms` : `${sign}${(skewMs / 1_000).toFixed(1)}s`
  return isOff(skewMs) ? `${words} !` : words
}

function isOff(skewMs: number): boolean {
  return isOutOfStep({ skewMs, uncertaintyMs: 0 })
}

function toneOf({ standing, skewMs }: ListedNode): Tone {
  if (standing === 'silent') return 'bad'
  return standing !== 'running' || (skewMs !== undefined && isOff(skewMs)) ? 'warning' : 'good'
}

function silentWords(nodes: readonly ListedNode[]): readonly string[] {
  const silent = nodes.filter(({ standing }) => standing === 'silent')
  if (silent.length === 0) return []
  const names = silent.map(({ id, beatAgeMs }) => `${id} since ${formatAge(beatAgeMs)}`).join(', ')
  return [`Silent: ${names}. Its mail goes on at the others; it is forgotten after a day.`]
}

function clockWords(nodes: readonly ListedNode[]): readonly string[] {
  return nodes
    .filter(({ standing, skewMs }) => standing !== 'silent' && skewMs !== undefined && isOff(skewMs))
    .map(({ hostname, skewMs = 0 }) => {
      const way = skewMs > 0 ? 'ahead of' : 'behind'
      return `The clock of ${hostname} is ${(Math.abs(skewMs) / 1_000).toFixed(1)}s ${way} the clock of Redis: set it (docs/operating/clock.md).`
    })
}

function idleWords(nodes: readonly ListedNode[], wanted: readonly Role[]): readonly string[] {
  if (nodes.some(({ standing }) => standing === 'running' || standing === 'starting')) {
    return rolesWithoutNode(wanted, nodes).map((role) => `${WITHOUT_ROLE[role].replace(/^n/, 'N')}.`)
  }
  return ['No node runs: mail waits.']
}

/** While an upgrade goes through the nodes that is as it should be. */
function versionWords(nodes: readonly ListedNode[]): readonly string[] {
  const versions = new Set(nodes.filter(({ standing }) => standing !== 'silent').map(({ version }) => version))
  return versions.size > 1 ? [`${counted(versions.size, 'version')} run side by side.`] : []
}
