/** What a request of the API becomes: one order, a page of a list, or an order to many messages. */
import type { ControlOrder } from '../admin/control-order.ts'
import { carryOutBulk } from './bulk.ts'
import {
  type Endpoint,
  type Given,
  type OrderEndpoint,
  PAGE_DEFAULT,
  type Page,
  type PageEndpoint,
} from './endpoint.ts'
import { formatCursor, parseCursor } from './paging.ts'
import { ApiProblem } from './problem.ts'

export interface Asked {
  readonly endpoint: Endpoint
  readonly given: Given
  /** The name of the token. */
  readonly caller: string
  /** By path. */
  readonly orders: ReadonlyMap<string, ControlOrder>
  readonly signal: AbortSignal
}

/** Rejects with `ApiProblem`, or with what the order rejects with. */
export function carryOut(asked: Asked): Promise<unknown> {
  const { endpoint, given } = asked
  switch (endpoint.kind) {
    case 'order':
      return one(endpoint, asked)
    case 'page':
      return page(endpoint, asked)
    default:
      return carryOutBulk(endpoint, given, asked)
  }
}

async function one(endpoint: OrderEndpoint, asked: Asked): Promise<unknown> {
  const answer = await give(endpoint.order, endpoint.ask(asked.given, asked.caller), asked)
  const told = endpoint.tell === undefined ? answer : endpoint.tell(answer, asked.given)
  if (told === undefined || told === null) throw new ApiProblem('not-found')
  return told
}

async function page(endpoint: PageEndpoint, asked: Asked): Promise<unknown> {
  const { limit = PAGE_DEFAULT, cursor, ...given } = asked.given
  const after = cursor === undefined ? undefined : parseCursor(endpoint.id, String(cursor))
  if (after?.ok === false) throw new ApiProblem('bad-request', after.error)
  const wanted: Page = { limit: Number(limit), ...(after === undefined ? {} : { after: after.value }) }
  const answer = await give(endpoint.order, endpoint.ask(given, wanted), asked)
  const next = endpoint.next(answer, wanted)
  return { items: endpoint.items(answer), nextCursor: next === undefined ? null : formatCursor(endpoint.id, next) }
}

async function give(path: string, body: unknown, { orders, signal }: Asked): Promise<unknown> {
  const parsed = orders.get(path)?.parse(body)
  if (parsed === undefined) throw new ApiProblem('not-found')
  if (!parsed.ok) throw new ApiProblem('bad-request', parsed.error)
  return parsed.value(signal)
}
