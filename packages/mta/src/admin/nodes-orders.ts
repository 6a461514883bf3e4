/**
 * Orders about nodes over `admin.sock`: the list, and who is to drain or to run again; and the client's side of it.
 */
import { err, ok, type Result } from '@hermetic/policy'
import { type NodeId, parseNodeId } from '../nodes/node-record.ts'
import type { Ordered } from '../nodes/node-registry.ts'
import type { NodeService, NodesReport } from '../nodes/node-service.ts'
import type { NodeWish } from '../nodes/standing.ts'
import type { Ask, ControlOrder } from './control-order.ts'
import { fieldsOf } from './control-protocol.ts'

/** What may be asked and ordered of the nodes of a queue, from any of them or from none. */
export interface NodeOrders {
  report(): Promise<NodesReport>
  order(id: NodeId, wish: NodeWish): Promise<Ordered>
}

/** Absent: this process is no node. */
export function nodesOrders(nodes: Pick<NodeService, 'report' | 'order'> | undefined): readonly ControlOrder[] {
  if (nodes === undefined) return []
  return [
    {
      path: '/nodes/list',
      role: 'read',
      parse: (body) => {
        const fields = fieldsOf(body, [])
        return fields.ok ? ok(() => nodes.report()) : fields
      },
    },
    {
      path: '/nodes/order',
      role: 'operate',
      parse: (body) => {
        const order = parseOrder(body)
        return order.ok ? ok(() => nodes.order(order.value.node, order.value.wish)) : order
      },
    },
  ]
}

/** The running relay's, for the command line. */
export function nodesClient(ask: Ask): NodeOrders {
  return {
    report: () => ask('/nodes/list', {}),
    order: (node, wish) => ask('/nodes/order', { node, wish }),
  }
}

function parseOrder(body: unknown): Result<{ readonly node: NodeId; readonly wish: NodeWish }, string> {
  const fields = fieldsOf(body, ['node', 'wish'])
  if (!fields.ok) return fields
  const { node, wish } = fields.value
  const id = typeof node === 'string' ? parseNodeId(node) : undefined
  if (id === undefined) return err('node: not the id of a node')
  if (wish !== 'drain' && wish !== 'run') return err('wish: neither drain nor run')
  return ok({ node: id, wish })
}
