/** What answers of the API look like, as JSON Schema; names as they are sent (`wire-names.ts`). Pure. */
import type { Schema } from './endpoint.ts'

/** Fields that are not named may come with later versions. */
export function object(
  required: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
): Schema {
  return { type: 'object', required: Object.keys(required), properties: { ...required, ...optional } }
}

export function list(items: Schema): Schema {
  return { type: 'array', items }
}

export function oneOf(...words: readonly string[]): Schema {
  return { type: 'string', enum: words }
}

export const TEXT: Schema = { type: 'string' }
export const COUNT: Schema = { type: 'integer', minimum: 0 }
export const FLAG: Schema = { type: 'boolean' }
export const TIME: Schema = { type: 'integer', description: 'UTC milliseconds since 1970' }
export const ANY: Schema = { type: 'object' }

export const READINESS = object({ ready: FLAG, reasons: list(TEXT), notes: list(TEXT) })

export const MESSAGE = object(
  {
    id: TEXT,
    received_at: TIME,
    expires_at: TIME,
    envelope: ANY,
    deliveries: list(
      object(
        {
          lane: TEXT,
          state: oneOf('queued', 'in-delivery', 'held', 'quarantined', 'settled'),
          attempts: COUNT,
          due_at: TIME,
          recipients: list(ANY),
        },
        { state_reason: TEXT },
      ),
    ),
  },
  { message_id_header: TEXT },
)

export const NODE = object({
  id: TEXT,
  hostname: TEXT,
  pid: COUNT,
  version: TEXT,
  roles: list(oneOf('submission', 'delivery', 'reporter', 'api')),
  standing: oneOf('starting', 'running', 'draining', 'stopping', 'silent'),
  beat_age_ms: COUNT,
  lanes: COUNT,
  in_flight: COUNT,
  listeners: list(TEXT),
})

export const POLICY = object({
  policy_domain: TEXT,
  id: TEXT,
  fetched_at: TIME,
  failed_refreshes: COUNT,
  policy: object({ mode: oneOf('enforce', 'testing', 'none') }),
})

/** What a bulk order found, or did. */
export const BULK: Schema = {
  oneOf: [
    object(
      {
        changed: { const: false },
        messages: COUNT,
        bytes: COUNT,
        recipients: COUNT,
        would: { type: 'object', additionalProperties: COUNT },
      },
      { oldest_received_at: TIME },
    ),
    object({
      changed: { const: true },
      complete: FLAG,
      results: { type: 'object', additionalProperties: COUNT },
      left_alone: list(object({ id: TEXT, result: TEXT })),
    }),
  ],
}
