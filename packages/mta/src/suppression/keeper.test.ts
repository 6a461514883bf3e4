/** The rule of what counts, and what the relay makes of a list that does not answer. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DeliveryCause, RecipientOutcome } from '../delivery/outcome.ts'
import { problemOf } from '../delivery/problem.ts'
import type { EnhancedStatus } from '../smtp/enhanced-status.ts'
import { parseMailbox } from '../submission/address.ts'
import type { SuppressionEvent } from './events.ts'
import { SuppressionKeeper } from './keeper.ts'
import { parseStatusPattern, refusalForGood, type StatusPattern } from './rule.ts'
import { type Noted, type SuppressionList, SuppressionUnavailable } from './suppression-list.ts'

function pattern(text: string): StatusPattern {
  const parsed = parseStatusPattern(text)
  assert.ok(parsed !== undefined)
  return parsed
}

function failed(cause: DeliveryCause): RecipientOutcome {
  return { kind: 'failed', index: 0, problem: problemOf(cause, { at: 0 }) }
}

function replied(code: number, enhancedStatus: EnhancedStatus): DeliveryCause {
  return { kind: 'reply', phase: 'rcpt', reply: { code, enhancedStatus, lines: ['no'] } }
}

describe('what is a refusal for good', () => {
  const patterns = ['5.1.1', '5.2.*', '5.1.10'].map(pattern)
  for (const [rule, outcome, status] of [
    ['a status on the list', failed(replied(550, '5.1.1')), '5.1.1'],
    ['one of a subject on the list', failed(replied(550, '5.2.7')), '5.2.7'],
    ['the null MX', failed({ kind: 'null-mx', name: 'example.com' }), '5.1.10'],
    ['another status', failed(replied(550, '5.7.1')), undefined],
    ['a transient reply that ended by age', failed({ kind: 'expired', last: replied(451, '4.1.1') }), undefined],
    ['an own decision', failed({ kind: 'suppressed', by: 'bounces', since: 0, until: 1, refusal: '5.1.1' }), undefined],
    ['a deferral', { ...failed(replied(550, '5.1.1')), kind: 'deferred', dueAt: 1 } as RecipientOutcome, undefined],
  ] as const) {
    test(`${rule}: ${status ?? 'no'}`, () => assert.equal(refusalForGood(outcome, patterns), status))
  }

  for (const text of ['4.1.1', '5.1', '5.*', '5.*.1', '5.1.1.1', '']) {
    test(`${JSON.stringify(text)} is no pattern`, () => assert.equal(parseStatusPattern(text), undefined))
  }
})

describe('the list in use', () => {
  const address = parseMailbox('a@example.com')
  assert(address.ok)
  const settled = (outcome: RecipientOutcome) => ({ recipients: [{ address: address.value, outcome }] })
  const refused = settled(failed(replied(550, '5.1.1')))

  function keeper(list: Partial<SuppressionList>, single = false) {
    const events: SuppressionEvent[] = []
    const statuses = [pattern('5.1.1')]
    return {
      events,
      keeper: new SuppressionKeeper({
        ...{ list: list as SuppressionList, statuses: () => statuses, single: () => single },
        emit: (event) => void events.push(event),
      }),
    }
  }

  test('when it does not answer, nobody is suppressed; that is told once, and once more when it is over', async () => {
    let away = true
    const answer = async <T>(value: T): Promise<T> => {
      if (away) throw new SuppressionUnavailable('away')
      return value
    }
    const world = keeper({ find: () => answer(new Map()), note: () => answer([]) })
    for (let n = 0; n < 3; n += 1) assert.equal((await world.keeper.find([address.value])).size, 0)
    world.keeper.settled(refused)
    await world.keeper.flush()
    away = false
    await world.keeper.find([address.value])
    assert.deepEqual(
      world.events.map(({ event }) => event),
      ['suppression-failing', 'suppression-recovered'],
    )
  })

  test('outcomes are stored together, deliveries only when they can matter', async () => {
    const reply = { code: 250, lines: ['ok'] }
    const remote = { mxHostname: 'mx.example.com', address: '192.0.2.1', port: 25 }
    const delivered = settled({ kind: 'delivered', index: 0, reply, remote })
    for (const single of [false, true]) {
      const noted: Noted[] = []
      const world = keeper(
        {
          note: async (one) => {
            noted.push(one)
            return []
          },
        },
        single,
      )
      for (const claim of [refused, delivered, refused]) world.keeper.settled(claim)
      await world.keeper.flush()
      assert.equal(noted.length, 1)
      assert.equal(noted[0]?.refused.length, 2)
      assert.equal(noted[0]?.delivered.length, single ? 0 : 1)
    }
  })

  test('memory is bounded: what is too much is counted and told', async () => {
    const world = keeper({ note: async () => [] })
    for (let n = 0; n < 20_005; n += 1) world.keeper.settled(refused)
    await world.keeper.flush()
    assert.deepEqual(world.events, [{ event: 'suppression-dropped', outcomes: 5 }])
  })
})
