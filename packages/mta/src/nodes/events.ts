/**
 * What nodes tell operators of themselves and of each other. A closed list; rendered in `observability/`.
 */
import type { NodeId } from './node-record.ts'

/** Which machine, and which process there. */
export interface NodeName {
  readonly node: NodeId
  readonly hostname: string
  readonly pid: number
}

export type NodeEvent =
  /** `before`: the process that had this id, and is dead. */
  | ({ readonly event: 'node-joined'; readonly before?: number } & NodeName)
  /** Takes no lanes and no sessions any more. */
  | { readonly event: 'node-draining'; readonly node: NodeId; readonly because: DrainCause }
  /** Nothing is under way here any more. */
  | { readonly event: 'node-drained'; readonly node: NodeId; readonly durationMs: number }
  | { readonly event: 'node-resumed'; readonly node: NodeId }
  /** Another process goes by our id: it has our data_dir, or a copy of it. */
  | ({ readonly event: 'node-replaced' } & NodeName)
  /** Another node's beats are missing. Told by every node that lives. */
  | ({ readonly event: 'node-silent'; readonly silentMs: number } & NodeName)
  /** It beats again. */
  | ({ readonly event: 'node-heard-again' } & NodeName)
  | { readonly event: 'clock-out-of-step'; readonly node: NodeId; readonly skewMs: number; readonly limitMs: number }
  | { readonly event: 'clock-in-step'; readonly node: NodeId; readonly skewMs: number }
  /** Beats cannot be told. Once per outage. */
  | { readonly event: 'nodes-unavailable'; readonly node: NodeId; readonly detail: string }
  | { readonly event: 'nodes-available'; readonly node: NodeId }

export type DrainCause = 'operator' | 'replaced'
