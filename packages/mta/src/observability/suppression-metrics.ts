/** The metrics of suppression. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { SuppressionEvent } from '../suppression/events.ts'

type Dropped = Extract<SuppressionEvent, { readonly event: 'suppression-dropped' }>
type Added = Extract<SuppressionEvent, { readonly event: 'address-suppressed' }>

export const SUPPRESSION_METRICS = {
  hermetic_suppressed_total: {
    type: 'counter',
    help: 'Addresses that were put on the list of suppressed ones, by whom.',
    labels: ['by'],
  },
  hermetic_suppression_failures_total: {
    type: 'counter',
    help: 'Times that the list of suppressed addresses could not be read or written; nobody is suppressed meanwhile.',
  },
  hermetic_suppression_dropped_total: {
    type: 'counter',
    help: 'Outcomes that were not counted for suppression, because more came than could be stored.',
  },
} as const

function count(name: keyof typeof SUPPRESSION_METRICS, labels: Readonly<Record<string, string>> = {}, by = 1) {
  return { kind: 'count', name, by, labels } as const
}

const nothing = (): readonly never[] => []

/** By event. */
export const SUPPRESSION_UPDATES = {
  'address-suppressed': ({ by }: Added) => [count('hermetic_suppressed_total', { by })],
  'suppression-ended': nothing,
  'suppression-failing': () => [count('hermetic_suppression_failures_total')],
  'suppression-recovered': nothing,
  'suppression-dropped': ({ outcomes }: Dropped) => [count('hermetic_suppression_dropped_total', {}, outcomes)],
} as const
