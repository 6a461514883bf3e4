import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MessageTls, RequireTlsFailure } from '@hermetic/policy'
import { type MailAddress, nullReversePath, type ReversePath } from '../smtp/mail-address.ts'
import { newQueueId } from '../spool/queue-id.ts'
import type { Claim, ClaimToken } from '../spool/spool.ts'
import { ClaimProgress } from './claim-progress.ts'
import type { LaneId } from './lane.ts'
import { requireTlsLeft, wishGroups } from './message-wish.ts'
import type { DeliveryCause } from './outcome.ts'
import { problemOf } from './problem.ts'

const sender: MailAddress = { localPart: 'a', domain: { kind: 'literal', family: 4, address: '192.0.2.1' } }

function claim(tls: MessageTls, reversePath: ReversePath = sender): Claim {
  return {
    ...{ token: 'token' as ClaimToken, id: newQueueId(), lane: 'mx:example.test:25' as LaneId },
    envelope: {
      ...{ reversePath, body: '7bit', smtpUtf8: false, tls },
      ...{ dsn: {}, size: 1, origin: { kind: 'network', address: '192.0.2.2' } },
    },
    recipients: [{ index: 0, address: { ...sender, localPart: 'r' }, ambiguousCount: 0 }],
    ...{ receivedAt: 0, expiresAt: 1, attempts: 0, leaseUntilMono: 0, marks: {} },
  }
}

test('messages that want the same go together, those without a wish first, notifications with a tag apart', () => {
  const claims = [
    claim('tls-optional'),
    claim('requiretls', nullReversePath),
    claim('requiretls'),
    claim('default', nullReversePath),
    claim('requiretls'),
    claim('default'),
    claim('tls-optional', nullReversePath),
  ]
  const groups = wishGroups(claims).map((group) => group.map((one) => claims.indexOf(one)))
  assert.deepEqual(groups, [[3, 5], [2, 4], [1], [0, 6]])
  assert.deepEqual(wishGroups([]), [])
})

const policy = (requireTls: RequireTlsFailure): DeliveryCause => ({
  ...{ kind: 'tls-policy', reason: 'x', policyDomain: 'example.test' },
  requireTls,
})
const UNPROVEN = policy({ kind: 'definitive', status: '5.7.10', policyFirst: false })
const BY_POLICY = policy({ kind: 'definitive', status: '5.7.10', policyFirst: true })
const MAY_PASS = policy({ kind: 'transient' })
const NOT_LISTED: DeliveryCause = { kind: 'extension-missing', extension: 'REQUIRETLS' }
const TIMEOUT: DeliveryCause = { kind: 'timeout', phase: 'greeting' }
const NO_ADDRESS: DeliveryCause = { kind: 'no-address', names: ['mx.example.test'] }

function after(causes: readonly DeliveryCause[], reversePath: ReversePath = sender): ClaimProgress {
  const progress = new ClaimProgress(claim('requiretls', reversePath))
  for (const cause of causes) progress.noteAll(problemOf(cause, { at: 0 }))
  return progress
}

describe('RFC 8689 §4.2.1: when no host took it', () => {
  for (const [what, causes, end] of [
    ['no host lists it', [NOT_LISTED, NOT_LISTED], 'failed 5.7.30'],
    ['none proves itself', [UNPROVEN, UNPROVEN], 'failed 5.7.10'],
    ['one of each, in either order', [NOT_LISTED, UNPROVEN], 'failed 5.7.30'],
    ['one of each, the other order', [UNPROVEN, NOT_LISTED], 'failed 5.7.30'],
    ['one that may pass', [NOT_LISTED, MAY_PASS], 'deferred 4.7.5'],
    ['one that did not answer', [TIMEOUT, UNPROVEN], 'deferred 4.4.1'],
    ['one without an address counts for neither', [NO_ADDRESS, NOT_LISTED], 'failed 5.7.30'],
    ['none has an address', [NO_ADDRESS], 'failed 5.4.4'],
  ] as const) {
    test(`${what}: ${end}`, () => {
      const progress = after(causes)
      progress.conclude(problemOf({ kind: 'stopped' }, { at: 0 }))
      const disposition = progress.dispositions.get(0)
      assert(disposition?.kind === 'failed' || disposition?.kind === 'deferred')
      assert.equal(`${disposition.kind} ${disposition.problem.status}`, end)
    })
  }

  test('only what would come back because of a policy waits for another look at it', () => {
    const left = [after([BY_POLICY]), after([UNPROVEN]), after([BY_POLICY, TIMEOUT]), after([NOT_LISTED, BY_POLICY])]
    const { policyFirst, withoutParameter } = requireTlsLeft(left)
    assert.deepEqual([policyFirst.map((one) => left.indexOf(one)), withoutParameter], [[0, 3], []])
  })

  test('without a reverse-path it goes without the parameter, unless all that failed may pass', () => {
    const left = [[NOT_LISTED], [TIMEOUT], [TIMEOUT, UNPROVEN], [BY_POLICY], [NO_ADDRESS]].map((causes) =>
      after(causes, nullReversePath),
    )
    const { policyFirst, withoutParameter } = requireTlsLeft(left)
    assert.deepEqual([policyFirst, withoutParameter.map((one) => left.indexOf(one))], [[], [0, 2, 3]])
  })
})
