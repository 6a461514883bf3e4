/**
 * Orders about suppressed addresses over `admin.sock`: what the command line may ask, checked, and the client's side of
 * it.
 */
import { err, ok, type Result } from '@hermetic/policy'
import { parseMailbox } from '../submission/address.ts'
import type { SuppressionEvent } from '../suppression/events.ts'
import { type SuppressionKey, type SuppressionList, suppressionKey } from '../suppression/suppression-list.ts'
import type { Ask, ControlOrder, OrderRole } from './control-order.ts'
import { fieldsOf, PAGE_MAX } from './control-protocol.ts'

export type SuppressionAdmin = Pick<SuppressionList, 'list' | 'add' | 'remove'>

export const SUPPRESSION_OFF = 'no addresses are suppressed: [suppression] enabled = false'

export const SUPPRESSION_REASON_MAX = 256
/** An address after `>` in a page may be any text that stands in the list. */
const ADDRESS_MAX = 1_024

/** Absent: no list is kept, and every order is refused with that. */
export function suppressionOrders(
  suppression: SuppressionAdmin | undefined,
  emit: (event: SuppressionEvent) => void,
): readonly ControlOrder[] {
  const order = <T>(
    [verb, role]: readonly [string, OrderRole],
    parse: (body: unknown) => Result<T, string>,
    act: (list: SuppressionAdmin, asked: T) => Promise<unknown>,
  ): ControlOrder => ({
    path: `/suppression/${verb}`,
    role,
    parse: (body) => {
      if (suppression === undefined) return err(SUPPRESSION_OFF)
      const asked = parse(body)
      return asked.ok ? ok(() => act(suppression, asked.value)) : asked
    },
  })
  return [
    order(['list', 'read'], parsePage, (list, page) => list.list(page)),
    order(['add', 'operate'], parseAdd, async (list, entry) => {
      const answer = await list.add(entry)
      const { address: recipient, until } = entry
      if (answer === 'added') emit({ event: 'address-suppressed', recipient, by: 'operator', until })
      return answer
    }),
    order(['remove', 'operate'], parseRemove, async (list, { address: recipient }) => {
      const removed = await list.remove(recipient)
      if (removed) emit({ event: 'suppression-ended', recipient })
      return removed
    }),
  ]
}

/** The running relay's, for the command line. */
export function suppressionClient(ask: Ask): SuppressionAdmin {
  return {
    list: ({ after, limit }) => ask('/suppression/list', { after, limit: Math.min(limit, PAGE_MAX) }),
    add: (entry) => ask('/suppression/add', entry),
    remove: (address) => ask('/suppression/remove', { address }),
  }
}

function parsePage(body: unknown): Result<{ readonly after?: SuppressionKey; readonly limit: number }, string> {
  const fields = fieldsOf(body, ['after', 'limit'])
  if (!fields.ok) return fields
  const { after, limit } = fields.value
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) return err('limit')
  if (after === undefined) return ok({ limit })
  if (typeof after !== 'string' || after.length > ADDRESS_MAX) return err('after: not an address')
  // Only a place to go on from: what stands there was an entry of the list.
  return ok({ after: after as SuppressionKey, limit })
}

function parseAdd(body: unknown): Result<Parameters<SuppressionList['add']>[0], string> {
  const fields = fieldsOf(body, ['address', 'until', 'reason'])
  if (!fields.ok) return fields
  const { until, reason } = fields.value
  const address = addressOf(fields.value['address'])
  if (address === undefined) return err('address: not a mail address')
  if (typeof until !== 'number' || !Number.isSafeInteger(until)) return err('until: not a time')
  if (reason === undefined) return ok({ address, until })
  if (typeof reason !== 'string' || reason.length > SUPPRESSION_REASON_MAX) return err('reason: too long')
  return ok({ address, until, reason })
}

function parseRemove(body: unknown): Result<{ readonly address: SuppressionKey }, string> {
  const fields = fieldsOf(body, ['address'])
  if (!fields.ok) return fields
  const address = addressOf(fields.value['address'])
  return address === undefined ? err('address: not a mail address') : ok({ address })
}

function addressOf(value: unknown): SuppressionKey | undefined {
  const address = typeof value === 'string' ? parseMailbox(value) : undefined
  return address?.ok === true ? suppressionKey(address.value) : undefined
}
