/** The metrics of nodes, and what counts. A part of `metrics.ts`, which checks that it is complete. Pure. */
export const NODE_METRICS = {
  hermetic_nodes: {
    type: 'gauge',
    help: 'Relays of this queue by how they stand; no value while the store cannot be asked.',
    labels: ['state'],
  },
  hermetic_role_nodes: {
    type: 'gauge',
    help: 'Relays of this queue that run and have the role; no value while the store cannot be asked.',
    labels: ['role'],
  },
  hermetic_node_draining: { type: 'gauge', help: '1 while this relay takes no lanes and no sessions.' },
  hermetic_node_beat_age_seconds: { type: 'gauge', help: 'Since the store last heard this relay.' },
  hermetic_node_clock_skew_seconds: {
    type: 'gauge',
    help: 'How far the clock of this machine is ahead of the clock of Redis; NaN where there is no other clock.',
  },
  hermetic_node_alarms_total: {
    type: 'counter',
    help: 'Relays that fell silent, clocks that went out of step, and processes with the id of this one.',
    labels: ['alarm'],
  },
} as const

type Alarm = 'silent' | 'clock' | 'replaced'

const nothing = (): readonly never[] => []
const alarm = (kind: Alarm) => () => [
  { kind: 'count', name: 'hermetic_node_alarms_total', by: 1, labels: { alarm: kind } } as const,
]

export const NODE_UPDATES = {
  'node-joined': nothing,
  'former-life-ended': nothing,
  'former-life-unknown': nothing,
  'node-draining': nothing,
  'node-drained': nothing,
  'node-resumed': nothing,
  'node-replaced': alarm('replaced'),
  'node-silent': alarm('silent'),
  'node-heard-again': nothing,
  'clock-out-of-step': alarm('clock'),
  'clock-in-step': nothing,
  'nodes-unavailable': () => [
    { kind: 'count', name: 'hermetic_shared_outages_total', by: 1, labels: { part: 'nodes' } } as const,
  ],
  'nodes-available': nothing,
}
