/** The gauges of the queue and its store. A part of `metrics.ts`; `state-gauges.ts` sets them when somebody scrapes. Pure. */
export const QUEUE_METRICS = {
  hermetic_queue_readable: { type: 'gauge', help: '1 when the numbers of the queue below could be read.' },
  hermetic_queue_read_age_seconds: {
    type: 'gauge',
    help: 'How old the numbers of the queue below are. They are kept for 5 seconds, or 20 times as long as reading them took, at most 2 minutes.',
  },
  hermetic_queue_messages: { type: 'gauge', help: 'Messages in the queue.' },
  hermetic_queue_recipients: { type: 'gauge', help: 'Recipients that are not settled.' },
  hermetic_queue_held: { type: 'gauge', help: 'Deliveries held for an operator, or by a rule.' },
  hermetic_queue_held_by_rules: { type: 'gauge', help: 'Of these, deliveries that a rule holds.' },
  hermetic_queue_quarantined: { type: 'gauge', help: 'Deliveries set aside.' },
  hermetic_queue_bytes: { type: 'gauge', help: 'Content of the messages in the queue.' },
  hermetic_queue_class_deliveries: {
    type: 'gauge',
    help: 'Deliveries that are queued, by class of mail: urgent, normal, bulk.',
    labels: ['class'],
  },
  hermetic_queue_lanes: { type: 'gauge', help: 'Lanes with messages.' },
  hermetic_queue_lanes_late: {
    type: 'gauge',
    help: 'Of the 200 lanes with the most mail, those whose oldest message is older than this: 15m, 1h, 4h, 1d.',
    labels: ['older_than'],
  },
  hermetic_queue_lane_oldest_seconds: {
    type: 'gauge',
    help: 'Age of the oldest message that is queued in a lane, for the 20 lanes in which it is highest.',
    labels: ['lane'],
  },
  hermetic_queue_tag_oldest_seconds: {
    type: 'gauge',
    help: 'Age of the oldest message with a tag, for the 20 tags with the most messages.',
    labels: ['tag'],
  },
  hermetic_queue_tag_messages: {
    type: 'gauge',
    help: 'Messages with a tag, for the 20 tags with the most messages.',
    labels: ['tag'],
  },
  hermetic_queue_oldest_seconds: { type: 'gauge', help: 'Age of the oldest message.' },
  hermetic_queue_overdue_seconds: {
    type: 'gauge',
    help: 'How long the lane that is due longest waits for its turn: rises when relays cannot keep up, and not because a destination takes no mail.',
  },
  hermetic_spool_used_bytes: { type: 'gauge', help: 'What the store takes.' },
  hermetic_spool_limit_bytes: { type: 'gauge', help: 'What the store may take.' },
  hermetic_spool_intake_open: { type: 'gauge', help: '1 while messages are accepted.' },
  hermetic_spool_claims_open: { type: 'gauge', help: '1 while messages are delivered.' },
} as const
