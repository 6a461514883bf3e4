import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RecipientOutcome } from '../delivery/outcome.ts'
import { nullReversePath } from '../smtp/mail-address.ts'
import { delayed, envelope, failed, REFUSED, recipient, relayed, SAMPLE_TIME } from './dsn.fixture.ts'
import { decideDsn } from './dsn-decision.ts'

function decide(
  changes: Parameters<typeof envelope>[0],
  recipients = [recipient(0)],
  outcomes: readonly RecipientOutcome[] = [failed(0)],
) {
  return decideDsn({ envelope: envelope(changes), recipients }, outcomes)
}

const told = (...decision: Parameters<typeof decide>) =>
  decide(...decision).reported.map(({ action, recipient: { index } }) => [action, index])

describe('RFC 3461 §5.2.6 who is told about a failure', () => {
  test('the sender, when NOTIFY is absent or holds FAILURE', () => {
    assert.deepEqual(told({}), [['failed', 0]])
    assert.deepEqual(told({}, [recipient(0, { notify: ['DELAY', 'FAILURE'] })]), [['failed', 0]])
  })

  for (const notify of [['NEVER'], ['SUCCESS'], ['DELAY'], ['SUCCESS', 'DELAY']] as const) {
    test(`nobody, when NOTIFY=${notify.join(',')}`, () => {
      assert.deepEqual(decide({}, [recipient(0, { notify })]), {
        reported: [],
        untold: { failed: 1, reason: 'not-requested' },
      })
    })
  }

  test('nobody, when the reverse-path is null (RFC 5321 §6.1)', () => {
    assert.deepEqual(decide({ reversePath: nullReversePath }), {
      reported: [],
      untold: { failed: 1, reason: 'null-reverse-path' },
    })
  })

  test('nobody, when the message was made by ourselves', () => {
    for (const purpose of ['dsn', 'report'] as const) {
      const decision = decide({ origin: { kind: 'local', purpose } })
      assert.deepEqual(decision, { reported: [], untold: { failed: 1, reason: 'local-origin' } })
    }
  })

  test('several recipients are told of together, none that asked for none (RFC 3461 §5.2.8)', () => {
    const recipients = [recipient(3), recipient(5, { notify: ['NEVER'] }), recipient(8, { notify: ['FAILURE'] })]
    const decision = decide({}, recipients, [failed(3), failed(5), failed(8)])
    assert.deepEqual(
      decision.reported.map((one) => one.recipient.index),
      [3, 8],
    )
    assert.deepEqual(decision.untold, { failed: 1, reason: 'not-requested' })
  })
})

describe('RFC 3461 §5.2.5 and §5.2.2 who is told of delays and of success', () => {
  const ambiguous = { kind: 'ambiguous', index: 0, problem: REFUSED, dueAt: SAMPLE_TIME } as const

  for (const [notify, delays, success] of [
    [undefined, true, false],
    [['DELAY'], true, false],
    [['FAILURE', 'DELAY'], true, false],
    [['FAILURE'], false, false],
    [['SUCCESS'], false, true],
    [['SUCCESS', 'FAILURE', 'DELAY'], true, true],
    [['NEVER'], false, false],
  ] as const) {
    test(`NOTIFY=${notify?.join(',') ?? 'absent'}: delays ${delays ? 'told' : 'not told'}, success ${success ? 'told' : 'not told'}`, () => {
      const recipients = [recipient(0, notify === undefined ? {} : { notify })]
      assert.equal(told({}, recipients, [delayed(0)]).length === 1, delays)
      assert.equal(told({}, recipients, [ambiguous]).length === 1, delays)
      assert.deepEqual(told({}, recipients, [relayed(0)]), success ? [['relayed', 0]] : [])
    })
  }

  test('success is not told where the next host takes it upon itself', () => {
    const { withoutDsn: _, ...passedOn } = relayed(0)
    assert.deepEqual(told({}, [recipient(0, { notify: ['SUCCESS'] })], [passedOn]), [])
  })

  test('whom nobody tells of a failure nobody tells of anything', () => {
    const recipients = [recipient(0, { notify: ['SUCCESS', 'DELAY'] })]
    for (const outcome of [delayed(0), relayed(0)]) {
      assert.deepEqual(decide({ reversePath: nullReversePath }, recipients, [outcome]), { reported: [] })
      assert.deepEqual(decide({ origin: { kind: 'local', purpose: 'dsn' } }, recipients, [outcome]), { reported: [] })
    }
  })
})
