/**
 * The order `trace` over `admin.sock`: what the command line may ask of the delivery history, checked, and the
 * client's side of it.
 */
import { err, ok, type Result } from '@hermetic/policy'
import { type DeliveryHistory, FOUND_MAX, type HistoryKey, type HistoryQuery } from '../history/delivery-history.ts'
import { parseQueueId } from '../spool/queue-id.ts'
import type { Ask, ControlOrder } from './control-order.ts'
import { fieldsOf } from './control-protocol.ts'

export type HistorySearch = Pick<DeliveryHistory, 'find'>

export const HISTORY_OFF = 'no delivery history is kept: [history] retention = "0s"'

/** A line of a header, as long as one may be (RFC 5322 §2.1.1), with room to spare. */
const TEXT_MAX = 1_024

/** Absent: none is kept, and every order is refused with that. */
export function traceOrder(history: HistorySearch | undefined): ControlOrder {
  return {
    path: '/trace',
    role: 'read',
    parse: (body) => {
      if (history === undefined) return err(HISTORY_OFF)
      const query = parseTraceRequest(body)
      return query.ok ? ok(() => history.find(query.value)) : query
    },
  }
}

function parseTraceRequest(body: unknown): Result<HistoryQuery, string> {
  const fields = fieldsOf(body, ['by', 'limit'])
  if (!fields.ok) return fields
  const { limit } = fields.value
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > FOUND_MAX) return err('limit')
  const by = parseKey(fields.value['by'])
  return by.ok ? ok({ by: by.value, limit }) : by
}

function parseKey(value: unknown): Result<HistoryKey, string> {
  const fields = fieldsOf(value, ['kind', 'id', 'messageId', 'address'])
  if (!fields.ok) return fields
  const { kind, id, messageId, address } = fields.value
  if (kind === 'id' && isText(id)) {
    const parsed = parseQueueId(id)
    return parsed === undefined ? err('by.id: not a queue id') : ok({ kind, id: parsed })
  }
  if (kind === 'message-id' && isText(messageId)) return ok({ kind, messageId })
  if (kind === 'address' && isText(address)) return ok({ kind, address })
  return err('by: not a queue id, a Message-ID or an address')
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= TEXT_MAX
}

/** The running relay's, for the command line. */
export function traceClient(ask: Ask): HistorySearch {
  return { find: ({ by, limit }) => ask('/trace', { by, limit: Math.min(limit, FOUND_MAX) }) }
}
