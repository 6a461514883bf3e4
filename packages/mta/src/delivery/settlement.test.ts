import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { defaultRetryOptions } from '../schedule/retry-schedule.ts'
import { type MailAddress, nullReversePath } from '../smtp/mail-address.ts'
import { newQueueId } from '../spool/queue-id.ts'
import type { Claim, ClaimToken } from '../spool/spool.ts'
import { ClaimProgress, decisive } from './claim-progress.ts'
import type { LaneId } from './lane.ts'
import type { DeliveryProblem } from './outcome.ts'
import { problemOf } from './problem.ts'
import { mailRouting } from './routing.ts'
import { claimOutcomes, expireAtClaim, moveWhereRouted } from './settlement.ts'

const MINUTE = 60_000
const ROUTING = mailRouting({ port: 25 })
const MOMENT = { now: 1_000, chance: 0, retry: defaultRetryOptions, routing: ROUTING }
const REMOTE = { mxHostname: 'mx.test', address: '192.0.2.1', port: 25 }
const transient = problemOf({ kind: 'connect-failed', code: 'ECONNREFUSED' }, { at: 1, remote: REMOTE })
const permanent = problemOf({ kind: 'too-large', size: 2, limit: 1 }, { at: 1, remote: REMOTE })
const cause = { kind: 'tls-policy', reason: 'sts-mx-mismatch', policyDomain: 'example.test' } as const
const policy = problemOf({ ...cause, mechanism: 'mta-sts', mxHostname: 'mx.test' }, { at: 1 })
const localPolicy = problemOf(cause, { at: 1 })
const unknownPolicy = problemOf(
  { kind: 'policy-unavailable', policyDomain: 'example.test', because: 'cache' },
  { at: 1 },
)

function address(text: string): MailAddress {
  const [localPart = ''] = text.split('@')
  return { localPart, domain: { kind: 'literal', family: 4, address: '192.0.2.9' } }
}

function claim(overrides: Partial<Claim> = {}): Claim {
  return {
    token: 'token' as ClaimToken,
    id: newQueueId(),
    lane: 'mx:example.test:25' as LaneId,
    envelope: {
      ...{ reversePath: nullReversePath, body: '7bit', smtpUtf8: false, tls: 'default' },
      ...{ dsn: {}, size: 1, origin: { kind: 'network', address: '192.0.2.2' } },
    },
    recipients: [0, 1, 2].map((index) => ({ index, address: address(`r${index}@example.test`), ambiguousCount: 0 })),
    receivedAt: 0,
    expiresAt: 1_000_000_000,
    attempts: 0,
    leaseUntilMono: 0,
    marks: {},
    ...overrides,
  }
}

describe('the sum of what hosts said', () => {
  test('one transient problem keeps a recipient in the queue', () => {
    assert.equal(decisive([permanent, transient, permanent]), transient)
  })

  test('permanent from every host is permanent', () => {
    assert.equal(decisive([permanent, permanent]), permanent)
  })

  test('a policy that forbade a host speaks before a host that could not be talked to', () => {
    assert.equal(decisive([policy, transient, permanent]), policy)
    assert.equal(decisive([localPolicy, transient]), transient)
  })

  test('what a host replied speaks before a policy that forbade another', () => {
    const cause = { kind: 'reply', phase: 'rcpt', reply: { code: 451, lines: ['later'] } } as const
    const replied = problemOf(cause, { at: 1, remote: REMOTE })
    assert.equal(decisive([policy, replied]), replied)
  })

  test('nothing noted, nothing decided', () => assert.equal(decisive([]), undefined))
})

describe('what the spool is told', () => {
  test('every recipient of a concluded claim has exactly one outcome, whatever happened before', () => {
    const steps = fc.array(fc.tuple(fc.nat(3), fc.constantFrom('delivered', 'failed', 'ambiguous', 'note')))
    fc.assert(
      fc.property(steps, (all) => {
        const progress = new ClaimProgress(claim())
        for (const [index, step] of all) {
          if (step === 'note') progress.note(index, transient)
          else if (step === 'delivered')
            progress.settle(index, { kind: step, reply: { code: 250, lines: [] }, remote: REMOTE })
          else progress.settle(index, { kind: step, problem: step === 'failed' ? permanent : transient })
        }
        progress.conclude(transient)
        const { outcomes } = claimOutcomes(progress, MOMENT)
        assert.deepEqual(
          outcomes.map(({ index }) => index),
          [0, 1, 2],
        )
      }),
    )
  })

  test('a deferred recipient is due at the next time of the schedule', () => {
    const progress = new ClaimProgress(claim())
    progress.conclude(transient)
    const dues = claimOutcomes(progress, MOMENT).outcomes.map((outcome) => 'dueAt' in outcome && outcome.dueAt)
    assert.deepEqual(dues, Array(3).fill(1_000 + 5 * MINUTE))
  })

  test('past its time a message is given up with the last problem', () => {
    const progress = new ClaimProgress(claim({ expiresAt: 999 }))
    progress.conclude(transient)
    const [outcome] = claimOutcomes(progress, MOMENT).outcomes
    assert.ok(outcome?.kind === 'failed')
    assert.deepEqual(outcome.problem.cause, { kind: 'expired', last: transient.cause })
    assert.equal(outcome.problem.status, '4.4.1')
    assert.deepEqual(outcome.problem.remote, REMOTE)
  })

  test('the third ambiguous end holds the delivery, the second does not', () => {
    const holds = [0, 1, 2].map((ambiguousCount) => {
      const recipients = [{ index: 0, address: address('r@example.test'), ambiguousCount }]
      const progress = new ClaimProgress(claim({ recipients }))
      progress.settle(0, { kind: 'ambiguous', problem: transient })
      return claimOutcomes(progress, MOMENT).hold !== undefined
    })
    assert.deepEqual(holds, [false, false, true])
  })

  test('a message that was set aside is quarantined with its reason, and not given up by age', () => {
    const progress = new ClaimProgress(claim({ expiresAt: 0 }))
    progress.conclude(transient)
    progress.setAside('content-unreadable: gone')
    const { outcomes, quarantine } = claimOutcomes(progress, MOMENT)
    assert.equal(quarantine, 'content-unreadable: gone')
    assert.ok(outcomes.every(({ kind }) => kind === 'deferred'))
  })
})

describe('expiry at claim', () => {
  const lastProblem: DeliveryProblem = transient
  const recipients = [{ index: 0, address: address('r@example.test'), ambiguousCount: 0, lastProblem }]

  test('an expired message that was tried before is not tried again', () => {
    const progress = new ClaimProgress(claim({ expiresAt: 999, recipients }))
    expireAtClaim(progress, MOMENT)
    assert.ok(progress.isDone)
  })

  test('an expired message whose last attempt is longer ago than any waiting time gets another', () => {
    const { intervalMaxMs, jitter } = defaultRetryOptions
    const longestMs = intervalMaxMs * (1 + jitter)
    for (const [now, isDone] of [
      [1 + longestMs, true],
      [2 + longestMs, false],
    ] as const) {
      const progress = new ClaimProgress(claim({ expiresAt: 999, recipients }))
      expireAtClaim(progress, { ...MOMENT, now })
      assert.equal(progress.isDone, isDone)
    }
  })

  test('an expired message that was never tried gets its attempt', () => {
    const progress = new ClaimProgress(claim({ expiresAt: 999 }))
    expireAtClaim(progress, MOMENT)
    assert.equal(progress.open.length, 3)
  })

  test('one that still has time is left alone', () => {
    const progress = new ClaimProgress(claim({ recipients }))
    expireAtClaim(progress, MOMENT)
    assert.ok(!progress.isDone)
  })
})

describe('RFC 8461 §5.1: the end of patience', () => {
  const over = { ...MOMENT, now: 2_000_000_000 }

  for (const [what, problem] of [
    ['a policy', policy],
    ['a policy that is not known', unknownPolicy],
  ] as const) {
    test(`${what} is looked for again before the mail is given up: it is due at once`, () => {
      const progress = new ClaimProgress(claim())
      progress.conclude(problem)
      const [outcome] = claimOutcomes(progress, over).outcomes
      assert.deepEqual(outcome, { kind: 'deferred', index: 0, problem, dueAt: over.now })
    })
  }

  test('after a policy was looked for, it is over', () => {
    const progress = new ClaimProgress(claim())
    progress.policyAsked = true
    progress.conclude(policy)
    assert.equal(claimOutcomes(progress, over).outcomes[0]?.kind, 'failed')
  })

  for (const [what, problem, open] of [
    ['a policy in the way gets another attempt', policy, 1],
    ['an unknown policy in the way gets another attempt', unknownPolicy, 1],
    ['an expired policy problem in the way gets another attempt', expiredOf(policy), 1],
    ['a dead host in the way gets none', transient, 0],
    ['local policy in the way gets none', localPolicy, 0],
  ] as const) {
    test(`mail over its age with ${what}`, () => {
      const [first] = claim().recipients
      assert.ok(first !== undefined)
      const progress = new ClaimProgress(
        claim({ recipients: [{ ...first, lastProblem: { ...problem, at: over.now } }] }),
      )
      expireAtClaim(progress, over)
      assert.equal(progress.open.length, open)
    })
  }
})

function expiredOf({ cause: last }: DeliveryProblem): DeliveryProblem {
  return problemOf({ kind: 'expired', last }, { at: 1 })
}

describe('mail whose route has changed', () => {
  const HERE = 'mx:example.test:25' as LaneId
  const THERE = 'route:smart.test:587' as LaneId
  const retry = defaultRetryOptions

  function moved(progress: ClaimProgress): void {
    moveWhereRouted(progress, {
      now: 1_000,
      routing: {
        laneFor: ({ recipient }) => (recipient.localPart === 'r1' ? THERE : HERE),
        fallbackFor: () => undefined,
      },
    })
  }

  test('is due at once in its new lane, with what was wrong before; the others go on', () => {
    const recipients = claim().recipients.map((recipient) => ({ ...recipient, lastProblem: transient }))
    const progress = new ClaimProgress(claim({ recipients }))
    moved(progress)
    assert.deepEqual(claimOutcomes(progress, MOMENT).outcomes, [
      { kind: 'deferred', index: 1, problem: transient, dueAt: 1_000, lane: THERE },
    ])
    assert.deepEqual(
      progress.open.map(({ index }) => index),
      [0, 2],
    )
  })

  test('is told as such when it was never tried, and tried in its new lane although it is over its age', () => {
    const progress = new ClaimProgress(claim({ expiresAt: 500 }))
    moved(progress)
    const [outcome] = claimOutcomes(progress, MOMENT).outcomes
    assert.ok(outcome?.kind === 'deferred')
    assert.equal(outcome.problem.cause.kind, 'route-changed')
    const recipients = [{ ...claim().recipients[0], index: 0, lastProblem: outcome.problem }]
    const next = new ClaimProgress(
      claim({ lane: THERE, expiresAt: 500, recipients: recipients as Claim['recipients'] }),
    )
    expireAtClaim(next, { now: 1_000, retry })
    assert.equal(next.open.length, 1)
  })
})
