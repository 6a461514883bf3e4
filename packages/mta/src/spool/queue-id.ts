/**
 * The queue id of a message: what log lines, Received fields and operators call it. A UUIDv7, so that ids
 * sort by time of arrival. Parsing is strict, for ids come back from command lines and file names.
 */
import { randomUUIDv7 } from 'node:crypto'

export type QueueId = string & { readonly __brand: 'QueueId' }

const QUEUE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function newQueueId(): QueueId {
  return randomUUIDv7() as QueueId
}

export function parseQueueId(text: string): QueueId | undefined {
  return QUEUE_ID.test(text) ? (text as QueueId) : undefined
}
