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
  /** What a former process of this node held in Redis: all of it is free again. */
  | {
      readonly event: 'former-life-ended'
      readonly nodeId: string
      readonly permits: number
      readonly deliveries: number
      readonly lanes: number
    }
  /** Redis could not be asked what a former process held; it is free when its leases end. */
  | { readonly event: 'former-life-unknown'; readonly nodeId: string; readonly detail: string }
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
