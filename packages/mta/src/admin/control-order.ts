/**
 * What an order to a running relay is. There is one list of them (`control-orders.ts`); the command line gives them over
 * `admin.sock`, and programs over the API.
 */
import type { Result } from '@hermetic/policy'

/** `read` only looks; `operate` changes something, or has strangers dialled. */
export type OrderRole = 'read' | 'operate'

export interface ControlOrder {
  readonly path: string
  readonly role: OrderRole
  /** Answers what to do, or what is wrong with the request. The signal: whoever asked is gone, or waits no longer. */
  parse(body: unknown): Result<(signal: AbortSignal) => Promise<unknown>, string>
}

/** How the command line asks: the path, and what `parse` reads. */
export type Ask = <T>(path: string, body: unknown) => Promise<T>
