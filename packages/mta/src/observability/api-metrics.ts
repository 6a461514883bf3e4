/** The metrics of the control API. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { ApiEvent } from '../api/events.ts'

type Ordered = Extract<ApiEvent, { readonly event: 'api-ordered' }>
type Refused = Extract<ApiEvent, { readonly event: 'api-refused' }>
type Loaded = Extract<ApiEvent, { readonly event: 'api-tokens-loaded' }>

export const API_METRICS = {
  hermetic_api_tokens: { type: 'gauge', help: 'Tokens that may use the API.' },
  hermetic_api_orders_total: {
    type: 'counter',
    help: 'Orders over the API, by operation and HTTP status.',
    labels: ['operation', 'status'],
  },
  hermetic_api_refusals_total: {
    type: 'counter',
    help: 'Clients that the API refused; each counts once in ten seconds for each reason.',
    labels: ['reason'],
  },
  hermetic_api_failures_total: {
    type: 'counter',
    help: 'Times that the token file or the audit of the API could not be used.',
    labels: ['file'],
  },
} as const

function count(
  name: Exclude<keyof typeof API_METRICS, 'hermetic_api_tokens'>,
  labels: Readonly<Record<string, string>>,
) {
  return { kind: 'count', name, by: 1, labels } as const
}

export const API_UPDATES = {
  'api-tokens-loaded': ({ count: to }: Loaded) => [{ kind: 'set', name: 'hermetic_api_tokens', to } as const],
  'api-tokens-unreadable': () => [count('hermetic_api_failures_total', { file: 'tokens' })],
  'api-ordered': ({ operation, status }: Ordered) => [
    count('hermetic_api_orders_total', { operation, status: String(status) }),
  ],
  'api-refused': ({ because }: Refused) => [count('hermetic_api_refusals_total', { reason: because })],
  'api-audit-failed': () => [count('hermetic_api_failures_total', { file: 'audit' })],
} as const
