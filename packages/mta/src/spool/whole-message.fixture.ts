/** Messages as a spool may keep them after any history, for properties of what moves. */
import fc from 'fast-check'
import type { RecipientOutcome } from '../delivery/outcome.ts'
import type { Envelope } from '../smtp/envelope.ts'
import type { SpooledDelivery, SpooledRecipient } from './message-state.ts'
import { newQueueId } from './queue-id.ts'
import { address, delivered, envelope, lane, NOON, problem } from './spool.fixture.ts'
import type { WholeMessage } from './whole-message.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 30 })
const time = fc.integer({ min: NOON - 1e9, max: NOON + 1e9 })
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const mailbox = fc
  .record({ localPart: text, n: fc.integer({ min: 1, max: 250 }) })
  .map((a) => address(a.localPart, a.n))
const lanes = fc.integer({ min: 1, max: 20 }).map((n) => lane(n))

const origin: fc.Arbitrary<Envelope['origin']> = fc.oneof(
  text.map((username) => ({ kind: 'credential', username, address: '192.0.2.7' }) as const),
  fc.constant({ kind: 'network', address: '192.0.2.8' } as const),
  fc.constant({ kind: 'local', purpose: 'dsn' } as const),
)

const envelopes = fc
  .record({
    reversePath: fc.oneof(mailbox, fc.constant('nullReversePath' as const)),
    body: fc.constantFrom('7bit', '8bitmime'),
    smtpUtf8: fc.boolean(),
    tls: fc.constantFrom('default', 'requiretls', 'tls-optional'),
    dsn: fc.record({ envid: text, ret: fc.constantFrom('FULL', 'HDRS') }, { requiredKeys: [], noNullPrototype: true }),
    size: fc.nat(),
    origin,
    priority: optional(fc.integer({ min: -9, max: 9 })),
    tag: optional(text),
  })
  .map(({ priority, tag, ...rest }) =>
    envelope({ ...rest, ...(priority === undefined ? {} : { priority }), ...(tag === undefined ? {} : { tag }) }),
  )

const outcomes = (index: number): fc.Arbitrary<RecipientOutcome> =>
  fc.oneof(
    fc.constant(delivered(index)),
    time.map((dueAt) => ({ kind: 'deferred', index, problem: problem(), dueAt }) as const),
    fc.record({ dueAt: time, to: lanes }).map((a) => {
      return { kind: 'deferred', index, problem: problem(), dueAt: a.dueAt, lane: a.to } as const
    }),
    fc.record({ detail: text, dueAt: time }).map(({ detail, dueAt }) => {
      const cause = { kind: 'protocol-violation', phase: 'greeting', detail } as const
      return { kind: 'ambiguous', index, problem: problem({ cause }), dueAt } as const
    }),
    fc.constant({ kind: 'failed', index, problem: problem({ status: '5.1.1', permanence: 'permanent' }) } as const),
  )

const recipients = (from: number): fc.Arbitrary<readonly SpooledRecipient[]> =>
  fc.integer({ min: 1, max: 4 }).chain((count) => fc.tuple(...Array.from({ length: count }, (_, n) => one(from + n))))

const one = (index: number): fc.Arbitrary<SpooledRecipient> =>
  fc
    .record({
      address: mailbox,
      state: fc.constantFrom('open', 'delivered', 'failed', 'cancelled', 'to-report'),
      ambiguousCount: fc.nat({ max: 3 }),
      notify: optional(fc.subarray(['SUCCESS', 'FAILURE', 'DELAY'] as const, { minLength: 1 })),
      orcpt: optional(text),
      lastOutcome: optional(outcomes(index)),
    })
    .map(({ notify, orcpt, lastOutcome, ...rest }) => ({
      index,
      ...rest,
      ...(notify === undefined ? {} : { notify }),
      ...(orcpt === undefined ? {} : { orcpt }),
      ...(lastOutcome === undefined ? {} : { lastOutcome }),
    }))

const RECIPIENTS_APART = 10

const delivery = (n: number): fc.Arbitrary<SpooledDelivery> =>
  fc
    .record({
      lane: lanes,
      stands: fc.oneof(
        fc.constant({ state: 'queued' } as const),
        fc.constant({ state: 'settled' } as const),
        text.map((reason) => ({ state: 'held', reason }) as const),
        text.map((reason) => ({ state: 'quarantined', reason }) as const),
      ),
      dueAt: time,
      attempts: fc.nat({ max: 99 }),
      delayNoticeAt: optional(time),
      recipients: recipients(n * RECIPIENTS_APART),
    })
    .map(({ stands, delayNoticeAt, ...rest }) => ({
      ...rest,
      ...stands,
      ...(delayNoticeAt === undefined ? {} : { delayNoticeAt }),
    }))

/** With an id of its own each time: a shrunk message is another one. */
export const wholeMessages: fc.Arbitrary<WholeMessage> = fc
  .record({
    envelope: envelopes,
    messageIdHeader: optional(text),
    receivedAt: time,
    expiresAt: time,
    deliveries: fc
      .tuple(delivery(0), fc.array(fc.constant(0), { maxLength: 2 }))
      .chain(([first, more]) => fc.tuple(fc.constant(first), ...more.map((_, n) => delivery(n + 1)))),
  })
  .map(({ messageIdHeader, ...rest }) => ({
    id: newQueueId(),
    ...rest,
    ...(messageIdHeader === undefined ? {} : { messageIdHeader }),
  }))

/** Empty, small, and past the inline size of either engine. */
export const contents: fc.Arbitrary<Buffer> = fc
  .oneof(
    { weight: 8, arbitrary: fc.uint8Array({ maxLength: 300 }) },
    { weight: 1, arbitrary: fc.nat({ max: 255 }).map((byte) => new Uint8Array(20_000).fill(byte)) },
    { weight: 1, arbitrary: fc.nat({ max: 255 }).map((byte) => new Uint8Array(300_000).fill(byte)) },
  )
  .map((bytes) => Buffer.from(bytes))
