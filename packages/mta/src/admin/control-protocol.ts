/**
 * What the command line and the running relay say to each other over `admin.sock`: JSON requests by POST, one
 * path for each verb. Requests are checked here; answers come from our own relay and are not.
 */
import { z } from 'zod'
import { type LaneId, parseLaneId } from '../delivery/lane.ts'
import { parseQueueId, type QueueId } from '../spool/queue-id.ts'
import type { QueueFilter, QueueSummary, SpoolHealth } from '../spool/spool.ts'
import type { Readiness } from './readiness.ts'

export const SOCKET_NAME = 'admin.sock'

/** One request changes at most so many messages; the command line asks again for more. */
export const IDS_MAX = 1_000
/** Messages of one page: with a thousand recipients each, still well within memory. */
export const PAGE_MAX = 200
/** A thousand ids with room to spare. */
export const REQUEST_BYTES_MAX = 128 * 1024

export interface RelayStatus {
  readonly version: string
  readonly node: string
  readonly pid: number
  /** UTC milliseconds. */
  readonly startedAt: number
  readonly hostname: string
  readonly directory: string
  readonly listeners: readonly ListenerStatus[]
  /** Where metrics and probes are served. */
  readonly metrics: { readonly address: string; readonly port: number }
  readonly readiness: Readiness
  readonly store: SpoolHealth
  readonly queue: Omit<QueueSummary, 'lanes'> & { readonly lanes: number }
}

export interface ListenerStatus {
  readonly name: string
  readonly kind: 'submission' | 'relay'
  readonly address: string
  readonly port: number
  readonly tls: 'none' | 'starttls' | 'implicit'
}

const text = z.string().min(1).max(1024)

const queueId = z.string().transform((value, context): QueueId => {
  const id = parseQueueId(value)
  if (id === undefined) {
    context.addIssue({ code: 'custom', message: 'not a queue id' })
    return z.NEVER
  }
  return id
})

const laneId = text.transform((value, context): LaneId => {
  if (parseLaneId(value) === undefined) {
    context.addIssue({ code: 'custom', message: 'not a lane' })
    return z.NEVER
  }
  return value as LaneId // parsed one line above
})

const filter = z.strictObject({
  lane: z.optional(laneId),
  domain: z.optional(text),
  sender: z.optional(z.string().max(1024)),
  state: z.optional(z.enum(['queued', 'held', 'quarantined'])),
})

const action = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('retry') }),
  z.strictObject({ kind: z.literal('hold'), reason: z.string().max(256) }),
  z.strictObject({ kind: z.literal('release') }),
  z.strictObject({ kind: z.literal('cancel') }),
])

export const listRequest = z.strictObject({
  filter,
  limit: z.number().int().min(1).max(PAGE_MAX),
  after: z.optional(queueId),
})
export const showRequest = z.strictObject({ id: queueId })
export const changeRequest = z.strictObject({ ids: z.array(queueId).max(IDS_MAX), action })

/** The parsed filter without keys that are only there to be undefined. */
export function exactFilter(parsed: z.output<typeof filter>): QueueFilter {
  const { lane, domain, sender, state } = parsed
  return {
    ...(lane === undefined ? {} : { lane }),
    ...(domain === undefined ? {} : { domain }),
    ...(sender === undefined ? {} : { sender }),
    ...(state === undefined ? {} : { state }),
  }
}
