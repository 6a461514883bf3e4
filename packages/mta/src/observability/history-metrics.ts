/** The metrics of the delivery history. A part of `metrics.ts`, which says what counts. Pure. */
import type { HistoryEvent } from '../history/events.ts'

export const HISTORY_METRICS = {
  hermetic_history_records: { type: 'gauge', help: 'Entries in the delivery history.' },
  hermetic_history_bytes: { type: 'gauge', help: 'What the delivery history takes.' },
  hermetic_history_oldest_timestamp_seconds: {
    type: 'gauge',
    help: 'When its oldest entry was made, in seconds since 1970; NaN when it is empty.',
  },
  hermetic_history_failures_total: {
    type: 'counter',
    help: 'Times that the delivery history stopped working.',
    labels: ['reason'],
  },
  hermetic_history_dropped_total: { type: 'counter', help: 'Entries that the delivery history has lost.' },
} as const

type Written = Extract<HistoryEvent, { readonly event: 'history-written' }>

export function historyKept({ records, usedBytes, oldestAt }: Written) {
  const oldest = oldestAt === undefined ? Number.NaN : oldestAt / 1000
  return [
    { kind: 'set', name: 'hermetic_history_records', to: records } as const,
    { kind: 'set', name: 'hermetic_history_bytes', to: usedBytes } as const,
    { kind: 'set', name: 'hermetic_history_oldest_timestamp_seconds', to: oldest } as const,
  ]
}
