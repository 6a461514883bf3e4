/** The endpoints about waiting mail. A part of `endpoints.ts`. Pure. */
import { type BulkEndpoint, type Endpoint, type Fields, order, page } from './endpoint.ts'
import { fieldOf, placeIn } from './paging.ts'
import { ANY, COUNT, FLAG, list, MESSAGE, object, oneOf, TEXT, TIME } from './schemas.ts'
import { received } from './wire-names.ts'

export const QUEUE_FILTER: Fields = {
  lane: { type: 'string', sentence: 'A lane.', example: 'mx:example.com:25' },
  domain: { type: 'string', sentence: 'Recipients in this domain.', example: 'example.com' },
  sender: { type: 'string', sentence: 'The reverse-path; empty for notifications.' },
  state: { type: 'string', sentence: 'How deliveries stand.', oneOf: ['queued', 'held', 'quarantined'] },
  tag: { type: 'string', sentence: 'As the message or its login was tagged.' },
  rule: { type: 'string', sentence: 'Held by this rule.' },
  arrived_before: { type: 'integer', sentence: 'Arrived before this moment, UTC milliseconds.' },
}

const LANE = object({ lane: TEXT, deliveries: COUNT, oldest_received_at: TIME })

/** As `hermetic hold` makes them. */
const RULE_ID: Fields = {
  id: { type: 'string', sentence: 'Of the rule: eight hexadecimal digits.', example: '0c27e4aa' },
}

const HOLD_ENDPOINTS: readonly Endpoint[] = [
  order({
    ...{ method: 'get', path: '/holds', id: 'listHolds', role: 'read', order: '/hold/list' },
    sentence: 'The rules that hold mail.',
    ask: () => ({}),
    tell: (items) => ({ items }),
    answer: object({ items: list(object({ id: TEXT, reason: TEXT, since: TIME })) }),
  }),
  order({
    ...{ method: 'post', path: '/holds', id: 'addHold', role: 'operate', order: '/hold/add' },
    sentence: 'Holds mail that is named by at least one of domain, sender, credential and tag, until the rule is over.',
    fields: {
      id: {
        type: 'string',
        sentence: 'Chosen by the caller: eight hexadecimal digits. The same again replaces it.',
        required: true,
      },
      domain: { type: 'string', sentence: 'A domain of recipients, or *. and a domain for all below it.' },
      sender: { type: 'string', sentence: 'The reverse-path, or the domain of it.' },
      credential: { type: 'string', sentence: 'The login that the message came with.' },
      tag: { type: 'string', sentence: 'A tag.' },
      reason: { type: 'string', sentence: 'Why, for those who look at the queue.', required: true, max: 256 },
      until: { type: 'integer', sentence: 'UTC milliseconds; without it until it is removed.' },
    },
    ask: (given) => given,
    tell: (result) => ({ result }),
    answer: object({ result: oneOf('added', 'full') }),
  }),
  order({
    ...{ method: 'post', path: '/holds/{id}/remove', id: 'removeHold', role: 'operate', order: '/hold/remove' },
    sentence: 'Ends a rule; what it held is released.',
    inPath: RULE_ID,
    ask: ({ id }) => ({ id }),
    tell: (removed) => ({ removed }),
    answer: object({ removed: FLAG }),
  }),
]

const CHOSEN: Fields = {
  ids: { type: 'strings', sentence: 'These messages, at most 1,000; they are changed at once.', max: 1_000 },
  filter: { type: 'filter', sentence: 'All messages that match; an empty one matches all. Either ids or filter.' },
  confirm: {
    type: 'integer',
    sentence:
      'With a filter: how many messages the caller has seen counted. Without it nothing changes and they are counted; when more match, nothing changes and the answer is 409.',
  },
}

function bulk(action: BulkEndpoint['action'], sentence: string, more: Fields = {}): BulkEndpoint {
  return {
    ...{ kind: 'bulk', method: 'post', path: `/queue/${action}`, id: `${action}Messages`, role: 'operate', long: true },
    ...{ action, sentence, fields: { ...CHOSEN, ...more } },
  }
}

export const QUEUE_ENDPOINTS: readonly Endpoint[] = [
  order({
    ...{ method: 'get', path: '/queue', id: 'showQueue', role: 'read', order: '/queue/summary' },
    sentence: 'The queue in totals, and by lane.',
    ask: () => ({}),
    answer: object(
      {
        ...{ messages: COUNT, recipients_open: COUNT, held: COUNT, quarantined: COUNT, bytes: COUNT },
        ...{ held_by_rules: COUNT, lane_count: COUNT, oldest_lanes: list(LANE), tags: list(ANY) },
        lanes: list(LANE),
      },
      { oldest_received_at: TIME },
    ),
  }),
  page({
    ...{ method: 'get', path: '/queue/messages', id: 'listMessages', role: 'read', order: '/queue/list' },
    sentence:
      'Waiting messages that match, the oldest first. A page looks at some 50,000 messages: it may have few items, or none, and a next_cursor all the same.',
    fields: QUEUE_FILTER,
    ask: (filter, page) => ({ filter: received(filter), ...page }),
    item: MESSAGE,
    items: (answer) => fieldOf(answer, 'entries'),
    next: (answer) => placeIn(answer, 'more'),
  }),
  order({
    ...{ method: 'get', path: '/queue/messages/{id}', id: 'showMessage', role: 'read' },
    order: '/queue/show',
    sentence: 'One waiting message, with everything that is known of it.',
    inPath: { id: { type: 'string', sentence: 'Its queue id.' } },
    ask: ({ id }) => ({ id }),
    answer: MESSAGE,
  }),
  bulk('retry', 'Makes messages due now.'),
  bulk('hold', 'Keeps messages back until they are released.', {
    reason: { type: 'string', sentence: 'Why, for those who look at the queue.', required: true, max: 256 },
  }),
  bulk('release', 'Lets go what is held or set aside; due now.'),
  bulk('cancel', 'Removes messages.', {
    notify: { type: 'boolean', sentence: 'true tells their senders that they failed.' },
  }),
  bulk('reroute', 'Moves messages to where the routes of today lead, or through one smarthost.', {
    to: {
      type: 'string',
      sentence: 'Through this smarthost of the configuration, also at later attempts.',
      example: 'backup.example.net:587',
    },
    usual: { type: 'boolean', sentence: 'true ends an earlier choice. Not with to.' },
    policy_too: { type: 'boolean', sentence: 'With to: true moves also what a TLS policy keeps back.' },
  }),
  order({
    ...{ method: 'get', path: '/queue/shape', id: 'showShape', role: 'read', order: '/queue/shape', long: true },
    sentence: 'Which lanes, domains, senders or tags the queue is made of, and how old it is.',
    fields: {
      by: { type: 'string', sentence: 'What a row is.', required: true, oneOf: ['lane', 'domain', 'sender', 'tag'] },
      limit: { type: 'integer', sentence: 'Rows at most; 50 if it is not said.', max: 1_000 },
    },
    ask: ({ by, limit = 50 }) => ({ by, limit }),
    answer: object({
      by: TEXT,
      ages: list(COUNT),
      rows: list(ANY),
      others: object({ names: COUNT, counts: list(COUNT) }),
    }),
  }),
  ...HOLD_ENDPOINTS,
  order({
    ...{ method: 'get', path: '/limits', id: 'showWaits', role: 'read', order: '/waits' },
    sentence: 'Which limit of its site each of these lanes waits for, in the process that answers.',
    fields: {
      lane: {
        type: 'strings',
        sentence: 'A lane; may be repeated.',
        required: true,
        max: 1_000,
        example: 'mx:example.com:25',
      },
    },
    ask: ({ lane }) => ({ lanes: lane }),
    tell: (answer) => ({ items: Object.entries(Object(answer)).map(([lane, limit]) => ({ lane, limit })) }),
    answer: object({ items: list(object({ lane: TEXT, limit: ANY })) }),
  }),
]
