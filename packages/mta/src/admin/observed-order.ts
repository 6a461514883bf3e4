/**
 * The order `observed` over `admin.sock`: what observed policies would have refused, counted from the history page by
 * page, and the client's side of it.
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { DeliveryHistory, ObservedQuery } from '../history/delivery-history.ts'
import type { Ask, ControlOrder } from './control-order.ts'
import { fieldsOf } from './control-protocol.ts'
import { HISTORY_OFF } from './trace-order.ts'

export type ObservedSearch = Pick<DeliveryHistory, 'observed'>

/** Absent: no history is kept, and every order is refused with that. */
export function observedOrder(history: ObservedSearch | undefined): ControlOrder {
  return {
    path: '/observed',
    role: 'read',
    parse: (body) => {
      if (history === undefined) return err(HISTORY_OFF)
      const query = parseObservedRequest(body)
      return query.ok ? ok(() => history.observed(query.value)) : query
    },
  }
}

function parseObservedRequest(body: unknown): Result<ObservedQuery, string> {
  const fields = fieldsOf(body, ['since', 'from'])
  if (!fields.ok) return fields
  const { since, from } = fields.value
  if (!isCount(since)) return err('since: not a time')
  if (from === undefined) return ok({ since })
  return isCount(from) ? ok({ since, from }) : err('from: not a place')
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** The running relay's, for the command line. */
export function observedClient(ask: Ask): ObservedSearch {
  return { observed: (query) => ask('/observed', query) }
}
