/**
 * What an endpoint of the API is: method, path and fields, and the order that it gives. The server, the OpenAPI document
 * and the test that no order is missing all read the same list (`endpoints.ts`). Pure.
 */
import type { OrderRole } from '../admin/control-order.ts'

/** JSON Schema 2020-12, as far as it is used here. */
export type Schema = { readonly [keyword: string]: unknown }

export interface Field {
  readonly type: 'string' | 'integer' | 'boolean' | 'strings' | 'filter'
  readonly sentence: string
  readonly required?: true
  readonly oneOf?: readonly string[]
  readonly example?: string | number | boolean
  readonly max?: number
}

export type Fields = Readonly<Record<string, Field>>

export const PAGE_DEFAULT = 50
/** As many as `admin.sock` answers at once. */
export const PAGE_MAX = 200

/** By the names of fields; checked against their types. */
export type Given = Readonly<Record<string, unknown>>

interface Described {
  readonly method: 'get' | 'post'
  /** Below `/api/v1`; `{id}` is the field `id`. */
  readonly path: string
  /** The operationId. */
  readonly id: string
  readonly sentence: string
  readonly role: OrderRole
  /** In the path; always needed. */
  readonly inPath?: Fields
  /** In the query of a GET, in the JSON body of a POST. */
  readonly fields?: Fields
  /** May take seconds; a few run at once. */
  readonly long?: true
}

/** One order, asked and answered. */
export interface OrderEndpoint extends Described {
  readonly kind: 'order'
  /** Of what is answered with 200. */
  readonly answer: Schema
  /** Its path in `admin/`. */
  readonly order: string
  /** What the order is asked; `caller` is the name of the token. */
  ask(given: Given, caller: string): unknown
  /** Absent: as it comes. `undefined` is 404. */
  tell?(answer: unknown, given: Given): unknown
}

/** A list, a page at a time: `limit` and `cursor` in the query, `items` and `next_cursor` in the answer. */
export interface PageEndpoint extends Described {
  readonly kind: 'page'
  readonly order: string
  ask(given: Given, page: Page): unknown
  /** Of one item; `answer` of the endpoint follows from it. */
  readonly item: Schema
  items(answer: unknown): readonly unknown[]
  /** Where the next page begins; undefined: this was the last. */
  next(answer: unknown, page: Page): string | number | undefined
}

export interface Page {
  readonly limit: number
  readonly after?: string | number
}

/** Messages named by ids or by a filter: counted first, changed when the number is confirmed. */
export interface BulkEndpoint extends Described {
  readonly kind: 'bulk'
  readonly action: 'retry' | 'hold' | 'release' | 'cancel' | 'reroute'
}

export type Endpoint = OrderEndpoint | PageEndpoint | BulkEndpoint

/** Orders that a bulk endpoint gives. */
export const BULK_ORDERS: readonly string[] = ['/queue/list', '/queue/change']

export function order(endpoint: Omit<OrderEndpoint, 'kind'>): Endpoint {
  return { kind: 'order', ...endpoint }
}

export function page(endpoint: Omit<PageEndpoint, 'kind'>): Endpoint {
  return { kind: 'page', ...endpoint }
}

/** Beside its own: where pages of a list begin, and how long they are. */
export function fieldsWithPage({ kind, fields = {} }: Endpoint): Fields {
  if (kind !== 'page') return fields
  return {
    ...fields,
    limit: { type: 'integer', sentence: `Items at most; ${PAGE_DEFAULT} if it is not said.`, max: PAGE_MAX },
    cursor: { type: 'string', sentence: 'next_cursor of the page before.' },
  }
}
