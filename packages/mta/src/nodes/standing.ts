/**
 * How a node stands in the eyes of the others: what it said last, unless its beats are missing. Pure.
 */
import type { NodeRecord, NodeState } from './node-record.ts'

export type Standing = NodeState | 'silent'

/** What an operator wants of a node. */
export type NodeWish = 'run' | 'drain'

export interface ListedNode extends NodeRecord {
  readonly standing: Standing
  /** By the store's clock. */
  readonly beatAgeMs: number
  /** Asked for and perhaps not heard yet. */
  readonly wish?: NodeWish
}

/** An order that another node took is heard with the next beat. */
export const BEAT_MS = 1_000
/** A busy event loop or a restart of the store may cost a node some beats; a dead one is known as early as possible. */
export const SILENT_MS = 5 * BEAT_MS
/** An operator who comes in the next morning still sees which node died. */
export const LISTED_MS = 24 * 60 * 60 * 1_000
/** Named ones; the longest silent is forgotten first. */
export const NODES_MAX = 1_000

export function standingOf(
  { state, beatAgeMs }: { readonly state: NodeState; readonly beatAgeMs: number },
  silentMs: number = SILENT_MS,
): Standing {
  return beatAgeMs >= silentMs ? 'silent' : state
}

const STANDINGS: readonly Standing[] = ['starting', 'running', 'draining', 'stopping', 'silent']

/** How many there are of each, none included. */
export function countByStanding(nodes: readonly ListedNode[]): readonly (readonly [Standing, number])[] {
  return STANDINGS.map((standing) => [standing, nodes.filter((node) => node.standing === standing).length])
}

/** In the list for people: by name of the machine, and the longest running first. */
export function inOrder(nodes: readonly ListedNode[]): readonly ListedNode[] {
  return nodes.toSorted((a, b) => compare(a.hostname, b.hostname) || a.startedAt - b.startedAt || compare(a.id, b.id))
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

export type Found =
  | { readonly kind: 'one'; readonly node: ListedNode }
  | { readonly kind: 'none' }
  | { readonly kind: 'several'; readonly nodes: readonly ListedNode[] }

/** The shortest beginning of an id that is taken for a name. */
const PREFIX_MIN = 4

/** By id, by the beginning of one, or by the name of the machine when only one node runs there. */
export function findNode(nodes: readonly ListedNode[], name: string): Found {
  const exact = nodes.filter(({ id }) => id === name)
  const named = nodes.filter(({ hostname }) => hostname === name)
  const begun = name.length < PREFIX_MIN ? [] : nodes.filter(({ id }) => id.startsWith(name))
  const [candidates = []] = [exact, named, begun].filter((some) => some.length > 0)
  const alive = candidates.filter(({ standing }) => standing !== 'silent')
  const found = alive.length > 0 ? alive : candidates
  const [first] = found
  if (first === undefined) return { kind: 'none' }
  return found.length === 1 ? { kind: 'one', node: first } : { kind: 'several', nodes: found }
}
