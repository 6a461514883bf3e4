import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultNoticeSettings } from '../bounce/notice-plan.ts'
import { defaultRetryOptions } from '../schedule/retry-schedule.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import { newQueueId } from '../spool/queue-id.ts'
import type { Claim, ClaimToken, Settlement } from '../spool/spool.ts'
import { ClaimProgress } from './claim-progress.ts'
import type { LaneId } from './lane.ts'
import { problemOf } from './problem.ts'
import { Settler } from './settler.ts'

const sender: MailAddress = { localPart: 'app', domain: { kind: 'literal', family: 4, address: '192.0.2.9' } }
const claim: Claim = {
  ...{ token: 'token' as ClaimToken, id: newQueueId(), lane: 'mx:example.test:25' as LaneId },
  envelope: {
    ...{ reversePath: sender, body: '7bit', smtpUtf8: false, tls: 'default' },
    ...{ dsn: {}, size: 1, origin: { kind: 'network', address: '192.0.2.2' } },
  },
  recipients: [0, 1].map((index) => ({ index, address: { ...sender, localPart: `r${index}` }, ambiguousCount: 0 })),
  ...{ receivedAt: 0, expiresAt: 1_000_000, attempts: 0, leaseUntilMono: 0, marks: {} },
}

test('a notification that cannot be made does not undo what a peer took: that is settled, the rest is set aside', async () => {
  const settled: Settlement[] = []
  const events: string[] = []
  const settler = new Settler({
    spool: {
      settle: async (_, settlement) => {
        settled.push(settlement)
        return { kind: 'settled' }
      },
      release: async () => undefined,
    },
    leases: { drop: () => undefined },
    wake: () => undefined,
    laneFor: () => claim.lane,
    ...{ retry: defaultRetryOptions, notices: defaultNoticeSettings, now: () => 1_000, random: () => 0 },
    notifier: {
      spool: { open: async () => ({ kind: 'memory', size: 0, bytes: new Uint8Array() }) },
      laneFor: () => {
        throw new TypeError('a defect')
      },
      ...{ hostname: 'relay.test', postmaster: 'postmaster@relay.test', dsnMaxAgeMs: 1_000, now: () => 1_000 },
    },
    emit: ({ event }) => void events.push(event),
  })
  const progress = new ClaimProgress(claim)
  const remote = { mxHostname: 'mx.test', address: '192.0.2.1', port: 25 }
  progress.settle(0, { kind: 'delivered', reply: { code: 250, lines: [] }, remote })
  progress.settle(1, { kind: 'failed', problem: problemOf({ kind: 'too-large', size: 2, limit: 1 }, { at: 1 }) })
  settler.settle(progress)
  await settler.finished()
  assert.deepEqual(
    settled.map(({ outcomes, enqueue, quarantine }) => [outcomes.map(({ index }) => index), enqueue, quarantine]),
    [[[0], [], 'the notification could not be made']],
  )
  assert.deepEqual(events, ['delivery-defect', 'message-settled'])
})
