/** The endpoints about the relay and its nodes. A part of `endpoints.ts`. Pure. */
import { type Endpoint, type Fields, type OrderEndpoint, order } from './endpoint.ts'
import { ANY, COUNT, FLAG, list, NODE, object, oneOf, READINESS, TEXT, TIME } from './schemas.ts'

const NODE_ID: Fields = { id: { type: 'string', sentence: 'The id of a node.', example: '45c0ee36e799' } }

function nodeOrder(wish: 'drain' | 'run', [path, id, sentence]: readonly [string, string, string]): OrderEndpoint {
  return {
    ...{
      kind: 'order',
      method: 'post',
      path: `/nodes/{id}/${path}`,
      id,
      role: 'operate',
      order: '/nodes/order',
      sentence,
    },
    inPath: NODE_ID,
    ask: ({ id: node }) => ({ node, wish }),
    tell: (result) => ({ result }),
    answer: object({ result: oneOf('ordered', 'silent', 'unknown') }),
  }
}

export const RELAY_ENDPOINTS: readonly Endpoint[] = [
  order({
    ...{ method: 'get', path: '/status', id: 'showStatus', role: 'read', order: '/status' },
    sentence: 'What the process that answers does.',
    ask: () => ({}),
    answer: object({
      version: TEXT,
      hostname: TEXT,
      started_at: TIME,
      roles: list(TEXT),
      readiness: READINESS,
      store: ANY,
    }),
  }),
  order({
    ...{ method: 'get', path: '/health', id: 'showHealth', role: 'read', order: '/status' },
    sentence: 'Whether the process that answers should get work, and what is worth knowing although it does.',
    ask: () => ({}),
    tell: (status) => Object(status).readiness,
    answer: READINESS,
  }),
  order({
    ...{ method: 'get', path: '/nodes', id: 'listNodes', role: 'read', order: '/nodes/list' },
    sentence: 'The relays of this queue, how each stands, and what it does.',
    ask: () => ({}),
    tell: (report) => ({ here: Object(report).here ?? null, items: Object(report).nodes }),
    answer: object({ here: { type: ['string', 'null'] }, items: list(NODE) }),
  }),
  nodeOrder('drain', ['drain', 'drainNode', 'Takes a relay out of service; its lanes go to the others at once.']),
  nodeOrder('run', ['resume', 'resumeNode', 'Puts a relay that drains into service again.']),
  order({
    ...{ method: 'post', path: '/reload', id: 'reload', role: 'operate', order: '/reload', long: true },
    sentence: 'Reads the configuration, certificates and keys again, in the process that answers.',
    ask: () => ({}),
    answer: {
      oneOf: [
        object({ kind: { const: 'reloaded' }, applied: list(TEXT), waiting: list(TEXT) }),
        object({ kind: { const: 'refused' }, problems: list(TEXT) }),
      ],
    },
  }),
  order({
    ...{ method: 'get', path: '/trace', id: 'trace', role: 'read', order: '/trace' },
    sentence:
      'What became of messages, also of those that are gone, as the process that answers has seen it. One of id, message_id and address.',
    fields: {
      id: { type: 'string', sentence: 'A queue id.' },
      message_id: { type: 'string', sentence: 'A Message-ID.' },
      address: { type: 'string', sentence: 'A sender or recipient.' },
      limit: { type: 'integer', sentence: 'Messages at most.', max: 100 },
    },
    ask: ({ id, message_id: messageId, address, limit = 10 }) => ({ by: keyOf({ id, messageId, address }), limit }),
    answer: object(
      { messages: list(object({ id: TEXT, entries: list(ANY), omitted: COUNT })), more: FLAG },
      { since: TIME },
    ),
  }),
]

/** More than one of them is refused by the order. */
function keyOf({ id, messageId, address }: Readonly<Record<'id' | 'messageId' | 'address', unknown>>): unknown {
  const named = [id, messageId, address].filter((one) => one !== undefined)
  if (named.length !== 1) return undefined
  if (id !== undefined) return { kind: 'id', id }
  return messageId === undefined ? { kind: 'address', address } : { kind: 'message-id', messageId }
}
