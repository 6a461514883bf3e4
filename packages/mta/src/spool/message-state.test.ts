import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { LaneId } from '../delivery/lane.ts'
import type { DeliveryProblem, RecipientOutcome } from '../delivery/outcome.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import {
  DELIVERY_TRANSITIONS,
  type DeliveryState,
  mergeLateSettle,
  openRecipient,
  orderDelivery,
  RECIPIENT_TRANSITIONS,
  type SpooledDelivery,
  type SpooledRecipient,
  settleDelivery,
  toReport,
} from './message-state.ts'
import type { QueueAction, RecipientState, Settlement } from './spool.ts'

const LANE = 'mx:example.com:25' as LaneId
const OTHER = 'mx:example.net:25' as LaneId
const address = {
  localPart: 'a',
  domain: { kind: 'literal', family: 4, address: '192.0.2.1' },
} as const satisfies MailAddress
const problem: DeliveryProblem = {
  cause: { kind: 'connect-failed', code: 'ECONNREFUSED' },
  status: '4.4.1',
  permanence: 'transient',
  fault: 'network',
  scope: 'host',
  at: 5,
}
const reply = { code: 250, lines: ['ok'] }
const remote = { mxHostname: 'mx.example.com', address: '192.0.2.1', port: 25 }

const delivered = (index: number): RecipientOutcome => ({ kind: 'delivered', index, reply, remote })
const failed = (index: number): RecipientOutcome => ({ kind: 'failed', index, problem })
const deferred = (index: number, dueAt = 100, lane?: LaneId): RecipientOutcome => ({
  kind: 'deferred',
  index,
  problem,
  dueAt,
  ...(lane === undefined ? {} : { lane }),
})
const ambiguous = (index: number, dueAt = 900): RecipientOutcome => ({ kind: 'ambiguous', index, problem, dueAt })
const outcome = { delivered, failed, deferred, ambiguous }

const recipient = (index: number, state: RecipientState = 'open'): SpooledRecipient => ({
  index,
  address,
  state,
  ambiguousCount: 0,
})
const delivery = (recipients: readonly SpooledRecipient[], state: DeliveryState = 'queued'): SpooledDelivery => ({
  lane: LANE,
  state,
  dueAt: 10,
  attempts: 1,
  recipients,
})
const settlement = (outcomes: readonly RecipientOutcome[], more: Partial<Settlement> = {}): Settlement => ({
  id: 's',
  outcomes,
  enqueue: [],
  marks: {},
  ...more,
})

describe('a recipient after an outcome', () => {
  const rows: readonly (readonly [RecipientState, RecipientOutcome['kind'], RecipientState, RecipientState])[] = [
    // state, outcome → by the holder, too late
    ['open', 'delivered', 'delivered', 'delivered'],
    ['open', 'failed', 'failed', 'open'],
    ['open', 'deferred', 'open', 'open'],
    ['open', 'ambiguous', 'open', 'open'],
    ...(['delivered', 'failed', 'cancelled', 'to-report'] as const).flatMap((state) =>
      (['delivered', 'failed', 'deferred', 'ambiguous'] as const).map((kind) => [state, kind, state, state] as const),
    ),
  ]
  test('the table is complete', () => {
    assert.equal(rows.length, Object.values(RECIPIENT_TRANSITIONS.holder).flatMap((row) => Object.keys(row)).length)
    assert.equal(rows.length, Object.values(RECIPIENT_TRANSITIONS.late).flatMap((row) => Object.keys(row)).length)
  })
  for (const [before, kind, byHolder, late] of rows) {
    test(`${before} + ${kind} = ${byHolder}; said too late = ${late}`, () => {
      const spooled = delivery([recipient(0, before)])
      assert.equal(settleDelivery(spooled, settlement([outcome[kind](0)])).deliveries[0].recipients[0]?.state, byHolder)
      const merged = mergeLateSettle(spooled, settlement([outcome[kind](0)]))
      assert.equal(merged.deliveries[0].recipients[0]?.state, late)
      assert.equal(merged.closed, before !== late ? 1 : 0)
      assert.equal(merged.ignored, before === late ? 1 : 0)
    })
  }
})

describe('a delivery after an order', () => {
  const actions: Record<QueueAction['kind'], QueueAction> = {
    retry: { kind: 'retry' },
    hold: { kind: 'hold', reason: 'why' },
    release: { kind: 'release' },
    cancel: { kind: 'cancel' },
    quarantine: { kind: 'quarantine', reason: 'why' },
    reroute: { kind: 'reroute', lanes: { [LANE]: OTHER } },
  }
  const rows: readonly (readonly [DeliveryState, QueueAction['kind'], DeliveryState | 'nothing'])[] = [
    ['queued', 'retry', 'queued'],
    ['queued', 'hold', 'held'],
    ['queued', 'release', 'nothing'],
    ['queued', 'cancel', 'settled'],
    ['queued', 'quarantine', 'quarantined'],
    ['held', 'retry', 'nothing'],
    ['held', 'hold', 'nothing'],
    ['held', 'release', 'queued'],
    ['held', 'cancel', 'settled'],
    ['held', 'quarantine', 'quarantined'],
    ['quarantined', 'retry', 'nothing'],
    ['quarantined', 'hold', 'nothing'],
    ['quarantined', 'release', 'queued'],
    ['quarantined', 'cancel', 'settled'],
    ['quarantined', 'quarantine', 'nothing'],
    ['settled', 'retry', 'nothing'],
    ['settled', 'hold', 'nothing'],
    ['settled', 'release', 'nothing'],
    ['settled', 'cancel', 'nothing'],
    ['settled', 'quarantine', 'nothing'],
    ['queued', 'reroute', 'queued'],
    ['held', 'reroute', 'held'],
    ['quarantined', 'reroute', 'quarantined'],
    ['settled', 'reroute', 'nothing'],
  ]
  test('the table is complete', () => {
    assert.equal(rows.length, Object.values(DELIVERY_TRANSITIONS).flatMap((row) => Object.keys(row)).length)
  })
  for (const [before, action, after] of rows) {
    test(`${before} + ${action} = ${after}`, () => {
      const next = orderDelivery(delivery([recipient(0), recipient(1, 'delivered')], before), actions[action], 7)
      assert.equal(next?.state ?? 'nothing', after)
      if (after === 'settled')
        assert.deepEqual(
          next?.recipients.map((r) => r.state),
          ['cancelled', 'delivered'],
        )
      if (after === 'queued') assert.equal(next?.dueAt, 7)
      if ('reason' in actions[action] && next !== undefined) assert.equal(next.reason, 'why')
      if (next !== undefined) assert.equal(next.lane, action === 'reroute' ? OTHER : LANE)
    })
  }
  test('a retry never puts off what is due already', () => {
    assert.equal(orderDelivery(delivery([recipient(0)]), { kind: 'retry' }, 50)?.dueAt, 10)
  })
})

describe('a delivery that is re-routed', () => {
  const via = 'route:relay.example:587' as LaneId
  const toRelay = { kind: 'reroute', lanes: { [LANE]: via }, via } as const

  test('takes the choice with each open recipient, also through a later deferral to another lane', () => {
    const moved = orderDelivery(delivery([recipient(0), recipient(1, 'delivered')]), toRelay, 7)
    assert.deepEqual(
      moved?.recipients.map((one) => one.via),
      [via, undefined],
    )
    assert.ok(moved !== undefined)
    const { deliveries } = settleDelivery(moved, settlement([deferred(0, 100, OTHER)]))
    assert.deepEqual([deliveries[0].lane, deliveries[0].recipients[0]?.via], [OTHER, via])
  })
  test('keeps why it is held and by which rule, and is not due before it is released', () => {
    const held = { ...delivery([recipient(0)], 'held'), reason: 'why', rule: 'deadbeef' }
    assert.deepEqual(orderDelivery(held, { kind: 'reroute', lanes: { [LANE]: OTHER } }, 7), { ...held, lane: OTHER })
  })
  test('loses the choice when it goes the usual way again, and keeps it when the order says nothing of it', () => {
    const chosen = delivery([{ ...recipient(0), via }])
    const lanes = { [LANE]: OTHER }
    assert.equal(orderDelivery(chosen, { kind: 'reroute', lanes }, 7)?.recipients[0]?.via, via)
    const back = orderDelivery(chosen, { kind: 'reroute', lanes, via: 'usual' }, 7)?.recipients[0]
    assert.deepEqual(back, recipient(0))
  })
  test('stays where it is when the order names other lanes, or nothing is open', () => {
    assert.equal(orderDelivery(delivery([recipient(0)]), { kind: 'reroute', lanes: { [OTHER]: LANE } }, 7), undefined)
    assert.equal(orderDelivery(delivery([recipient(0, 'to-report')]), toRelay, 7), undefined)
    assert.equal(orderDelivery(delivery([recipient(0, 'failed')]), toRelay, 7), undefined)
  })
})

describe('a settled delivery', () => {
  test('is settled once no recipient is open', () => {
    const { deliveries, closed } = settleDelivery(
      delivery([recipient(0), recipient(1)]),
      settlement([delivered(0), failed(1)]),
    )
    assert.deepEqual([deliveries.length, deliveries[0].state, closed], [1, 'settled', 2])
  })
  test('waits for the earliest of its deferred recipients, counts the attempt and keeps the closed ones', () => {
    const { deliveries } = settleDelivery(
      delivery([recipient(0), recipient(1), recipient(2)]),
      settlement([deferred(0, 300), delivered(1), deferred(2, 200)], { marks: { delayNoticeAt: 42 } }),
    )
    assert.equal(deliveries.length, 1)
    const [only] = deliveries
    assert.deepEqual([only.state, only.dueAt, only.attempts, only.delayNoticeAt], ['queued', 200, 2, 42])
    assert.deepEqual(
      only.recipients.map((r) => r.index),
      [0, 1, 2],
    )
  })
  test('an ambiguous recipient is not tried early because another was only deferred', () => {
    const { deliveries } = settleDelivery(
      delivery([recipient(0), recipient(1)]),
      settlement([deferred(0, 100), ambiguous(1, 900)]),
    )
    assert.deepEqual(
      deliveries.map((d) => [d.dueAt, d.recipients.map((r) => r.index)]),
      [
        [100, [0]],
        [900, [1]],
      ],
    )
    assert.equal(deliveries[1]?.recipients[0]?.ambiguousCount, 1)
  })
  test('a hold after an ambiguous end holds the ambiguous recipients only', () => {
    const { deliveries } = settleDelivery(
      delivery([recipient(0), recipient(1)]),
      settlement([deferred(0), ambiguous(1)], { hold: 'third ambiguous end' }),
    )
    assert.deepEqual(
      deliveries.map((d) => [d.state, d.reason]),
      [
        ['queued', undefined],
        ['held', 'third ambiguous end'],
      ],
    )
  })
  test('a hold without an ambiguous end holds all that is open', () => {
    const { deliveries } = settleDelivery(
      delivery([recipient(0), recipient(1)]),
      settlement([deferred(0), delivered(1)], { hold: 'x' }),
    )
    assert.deepEqual(
      deliveries.map((d) => d.state),
      ['held'],
    )
  })
  test('a recipient whose route changed waits in the other lane', () => {
    const { deliveries } = settleDelivery(
      delivery([recipient(0), recipient(1)]),
      settlement([deferred(0, 100), deferred(1, 200, OTHER)]),
    )
    assert.deepEqual(
      deliveries.map((d) => [d.lane, d.dueAt]),
      [
        [LANE, 100],
        [OTHER, 200],
      ],
    )
  })
  test('a recipient without an outcome stays due, and a settle without outcomes is no attempt', () => {
    const partial = settleDelivery(delivery([recipient(0), recipient(1)]), settlement([delivered(0)]))
    assert.deepEqual([partial.deliveries[0].state, partial.deliveries[0].dueAt], ['queued', 10])
    const none = settleDelivery(delivery([recipient(0)]), settlement([], { quarantine: 'unreadable' }))
    assert.deepEqual(
      [none.deliveries[0].state, none.deliveries[0].reason, none.deliveries[0].attempts],
      ['quarantined', 'unreadable', 1],
    )
  })
  test('the delivery side sees the last problem, not the last success', () => {
    assert.deepEqual(openRecipient({ ...recipient(0), lastOutcome: deferred(0) }), {
      index: 0,
      address,
      ambiguousCount: 0,
      lastProblem: problem,
    })
    assert.equal('lastProblem' in openRecipient({ ...recipient(0), lastOutcome: delivered(0) }), false)
  })
})

describe('what a sender is to be told later', () => {
  const NOTICE = 'notice' as LaneId
  const told = (...recipients: readonly number[]) => ({ notices: [{ lane: NOTICE, dueAt: 77, recipients }] })
  const asTold = (kind: keyof typeof outcome): SpooledDelivery => ({
    ...delivery([{ ...recipient(0, 'to-report'), lastOutcome: outcome[kind](0) }]),
    lane: NOTICE,
  })

  test('is a delivery of its own, with copies of the recipients as they are now', () => {
    const before = delivery([recipient(0), recipient(1), recipient(2)])
    const { deliveries } = settleDelivery(before, settlement([failed(0), deferred(1), delivered(2)], told(0, 1)))
    assert.deepEqual(
      deliveries.map(({ lane, state, dueAt, recipients }) => [lane, state, dueAt, recipients.map((r) => r.state)]),
      [
        [LANE, 'queued', 100, ['failed', 'open', 'delivered']],
        [NOTICE, 'queued', 77, ['to-report', 'to-report']],
      ],
    )
    assert.deepEqual(
      toReport(deliveries[1]?.recipients ?? []).map(({ index, lastOutcome }) => [index, lastOutcome.kind]),
      [
        [0, 'failed'],
        [1, 'deferred'],
      ],
    )
  })
  test('is there also when nothing else is open', () => {
    const { deliveries } = settleDelivery(delivery([recipient(0)]), settlement([failed(0)], told(0)))
    assert.deepEqual(
      deliveries.map(({ state }) => state),
      ['settled', 'queued'],
    )
  })
  test('never names a recipient of whom nothing is known', () => {
    const { deliveries } = settleDelivery(delivery([recipient(0), recipient(1)]), settlement([failed(0)], told(0, 1)))
    assert.deepEqual(
      deliveries[1]?.recipients.map(({ index }) => index),
      [0],
    )
  })
  test('said too late, is kept when all that was said counts', () => {
    const both = delivery([recipient(0), recipient(1)])
    assert.equal(mergeLateSettle(both, settlement([delivered(0)], told(0))).deliveries.length, 2)
    assert.equal(mergeLateSettle(both, settlement([delivered(0), failed(1)], told(0, 1))).deliveries.length, 1)
  })
  test('is done by a settlement without outcomes, and set aside by a quarantine', () => {
    assert.equal(settleDelivery(asTold('failed'), settlement([])).deliveries[0].state, 'settled')
    const [aside] = settleDelivery(asTold('failed'), settlement([], { quarantine: 'defect' })).deliveries
    assert.deepEqual([aside.state, aside.reason], ['quarantined', 'defect'])
    assert.equal(mergeLateSettle(asTold('failed'), settlement([])).deliveries[0].state, 'queued')
  })
  for (const [kind, owed] of [
    ['failed', true],
    ['delivered', true],
    ['deferred', false],
    ['ambiguous', false],
  ] as const) {
    test(`that a recipient is ${kind} ${owed ? 'is told' : 'is not told'} of a message that is taken back or held`, () => {
      assert.equal(orderDelivery(asTold(kind), { kind: 'cancel' }, 7)?.state, owed ? undefined : 'settled')
      assert.equal(orderDelivery(asTold(kind), { kind: 'hold', reason: 'x' }, 7)?.state, owed ? undefined : 'held')
      assert.equal(orderDelivery(asTold(kind), { kind: 'retry' }, 7)?.dueAt, owed ? 7 : undefined)
      const aside: SpooledDelivery = { ...asTold(kind), state: 'quarantined' }
      assert.equal(orderDelivery(aside, { kind: 'cancel' }, 7)?.state, 'settled')
    })
  }
})

describe('whatever is settled, by whomever', () => {
  const states = fc.constantFrom<RecipientState>('open', 'delivered', 'failed', 'cancelled')
  const deliveries = fc
    .array(states, { minLength: 1, maxLength: 6 })
    .map((list) => delivery(list.map((state, index) => recipient(index, state))))
  const outcomes = fc.array(
    fc
      .tuple(fc.constantFrom(delivered, failed, ambiguous, deferred), fc.integer({ min: 0, max: 7 }))
      .map(([make, index]) => make(index)),
    { maxLength: 8 },
  )
  const holds = fc.constantFrom({}, { hold: 'h' }, { quarantine: 'q' })
  const stateOf = (all: readonly SpooledDelivery[]) =>
    new Map(all.flatMap((d) => d.recipients).map((r) => [r.index, r.state] as const))

  test('every recipient is kept exactly once and a closed one never reopens', () => {
    fc.assert(
      fc.property(deliveries, outcomes, holds, fc.boolean(), (before, said, more, late) => {
        const after = late ? mergeLateSettle(before, settlement(said)) : settleDelivery(before, settlement(said, more))
        const indices = after.deliveries.flatMap((d) => d.recipients).map((r) => r.index)
        assert.deepEqual(
          [...indices].sort(),
          before.recipients.map((r) => r.index),
        )
        const states = stateOf(after.deliveries)
        for (const r of before.recipients) if (r.state !== 'open') assert.equal(states.get(r.index), r.state)
      }),
    )
  })
  test('`delivered` said first closes an open recipient, late or not', () => {
    fc.assert(
      fc.property(deliveries, outcomes, fc.boolean(), (before, said, late) => {
        const after = late ? mergeLateSettle(before, settlement(said)) : settleDelivery(before, settlement(said))
        const states = stateOf(after.deliveries)
        for (const r of before.recipients) {
          const decisive = said.find(
            (o) => o.index === r.index && (o.kind === 'delivered' || (o.kind === 'failed' && !late)),
          )
          if (r.state === 'open' && decisive?.kind === 'delivered') assert.equal(states.get(r.index), 'delivered')
        }
      }),
    )
  })
  test('a delivery is settled exactly when nothing in it is open', () => {
    fc.assert(
      fc.property(deliveries, outcomes, holds, (before, said, more) => {
        for (const d of settleDelivery(before, settlement(said, more)).deliveries) {
          assert.equal(
            d.state === 'settled',
            d.recipients.every((r) => r.state !== 'open'),
          )
        }
      }),
    )
  })
})
