/** The metrics of rules that hold mail. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { HoldEvent } from '../holds/events.ts'

type Held = Extract<HoldEvent, { readonly event: 'mail-held' }>
type Released = Extract<HoldEvent, { readonly event: 'held-mail-released' }>

export const HOLD_METRICS = {
  hermetic_hold_rules: { type: 'gauge', help: 'Rules that hold mail now.' },
  hermetic_held_recipients_total: {
    type: 'counter',
    help: 'Recipients that a rule came to hold, as they were accepted or before they would have been tried.',
    labels: ['at'],
  },
  hermetic_held_released_total: {
    type: 'counter',
    help: 'Messages of which something was held by a rule that is over.',
  },
} as const

function count(
  name: Exclude<keyof typeof HOLD_METRICS, 'hermetic_hold_rules'>,
  by: number,
  labels: Readonly<Record<string, string>> = {},
) {
  return { kind: 'count', name, by, labels } as const
}

const nothing = (): readonly never[] => []

/** By event. */
export const HOLD_UPDATES = {
  'hold-rule-added': nothing,
  'hold-rule-removed': nothing,
  'hold-rule-ended': nothing,
  'mail-held': ({ recipients, at }: Held) => [count('hermetic_held_recipients_total', recipients, { at })],
  'held-mail-released': ({ messages }: Released) => [count('hermetic_held_released_total', messages)],
  'hold-rules-failing': nothing,
} as const
