/**
 * Port: where the nodes of a queue are known to each other: who beats, how each stands, and what operators want of it.
 *
 * Adapters: `adapters/local-nodes.ts` (one process), `adapters/redis-nodes.ts` (many). Both pass
 * `node-registry.contract.ts`. A node that leaves is forgotten at once, one that dies is listed as silent for a day.
 * An id belongs to one process at a time; a wish is for that process, and ends with it.
 */
import type { NodeId, NodeRecord } from './node-record.ts'
import type { ListedNode, NodeWish } from './standing.ts'

export interface NodeRegistry {
  /** Takes the id for this process, unless another one that has it beats. Calls reject with `NodesUnavailable`. */
  join(record: NodeRecord, options?: JoinOptions): Promise<Joined>
  beat(record: NodeRecord): Promise<Heard>
  list(): Promise<readonly ListedNode[]>
  /** Heard by that node with its next beat. */
  order(id: NodeId, wish: NodeWish): Promise<Ordered>
  /** Does nothing when another process has the id. */
  leave(node: Pick<NodeRecord, 'id' | 'incarnation'>): Promise<void>
  close(): void
}

export interface JoinOptions {
  /** The incarnation of a process that is known to be dead: nobody waits until it is silent. */
  readonly dead?: string
}

export type Joined =
  /** `before` had the id, and is silent or dead. */
  | { readonly kind: 'joined'; readonly storeTime?: number; readonly before?: NodeRecord }
  | { readonly kind: 'taken'; readonly by: ListedNode }

export type Heard =
  /** `storeTime`: UTC milliseconds of the store, where it has a clock of its own. */
  | { readonly kind: 'heard'; readonly storeTime?: number; readonly wish?: NodeWish }
  /** Another process has the id now. */
  | { readonly kind: 'replaced'; readonly by: NodeRecord }

export type Ordered = 'ordered' | 'silent' | 'unknown'

/** The nodes cannot be asked; the caller tries later. */
export class NodesUnavailable extends Error {
  override readonly name = 'NodesUnavailable'
}

export interface RegistryTimes {
  readonly silentMs: number
  readonly listedMs: number
}
