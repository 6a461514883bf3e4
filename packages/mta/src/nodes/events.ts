/**
 * What nodes tell operators of themselves and of each other. A closed list; rendered in `observability/`.
 */
import type { NodeId } from './node-record.ts'

/** Which machine, and which process there. */
export interface NodeName {
  readonly nodeId: NodeId
  readonly hostname: string
  readonly pid: number
}

export type NodeEvent =
  /** `before`: the process that had this id, and is dead. */
  | ({ readonly event: 'node-joined'; readonly before?: number } & NodeName)
  /** Takes no lanes and no sessions any more. */
  | { readonly event: 'node-draining'; readonly nodeId: NodeId; readonly because: DrainCause }
  /** Nothing is under way here any more. */
  | { readonly event: 'node-drained'; readonly nodeId: NodeId; readonly durationMs: number }
  | { readonly event: 'node-resumed'; readonly nodeId: NodeId }
  /** Another process goes by our id: it has our data_dir, or a copy of it. */
  | ({ readonly event: 'node-replaced' } & NodeName)
  /** Another node's beats are missing. Told by every node that lives. */
  | ({ readonly event: 'node-silent'; readonly silentMs: number } & NodeName)
  /** It beats again. */
  | ({ readonly event: 'node-heard-again' } & NodeName)
  | { readonly event: 'clock-out-of-step'; readonly nodeId: NodeId; readonly skewMs: number; readonly limitMs: number }
  | { readonly event: 'clock-in-step'; readonly nodeId: NodeId; readonly skewMs: number }
  /** Beats cannot be told. Once per outage. */
  | { readonly event: 'nodes-unavailable'; readonly nodeId: NodeId; readonly detail: string }
  | { readonly event: 'nodes-available'; readonly nodeId: NodeId }

export type DrainCause = 'operator' | 'replaced'
