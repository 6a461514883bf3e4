/**
 * News about other nodes, from two looks at the list: whose beats are missing now, and who is back. Pure.
 */
import type { NodeEvent } from './events.ts'
import type { NodeId } from './node-record.ts'
import type { ListedNode } from './standing.ts'

export type SilenceEvent = Extract<NodeEvent, { readonly event: 'node-silent' | 'node-heard-again' }>

/** A node that was silent at the first look is no news: those who saw it fall silent have told it. */
export function silenceNews(before: readonly ListedNode[], after: readonly ListedNode[]): readonly SilenceEvent[] {
  const known = new Map<NodeId, ListedNode>(before.map((node) => [node.id, node]))
  return after.flatMap((node): readonly SilenceEvent[] => {
    const earlier = known.get(node.id)
    if (earlier === undefined || (earlier.standing === 'silent') === (node.standing === 'silent')) return []
    const name = { nodeId: node.id, hostname: node.hostname, pid: node.pid }
    if (node.standing === 'silent') return [{ event: 'node-silent', silentMs: node.beatAgeMs, ...name }]
    return [{ event: 'node-heard-again', ...name }]
  })
}
