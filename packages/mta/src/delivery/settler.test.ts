import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultNoticeSettings } from '../bounce/notice-plan.ts'
import { defaultRetryOptions } from '../schedule/retry-schedule.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import { newQueueId } from '../spool/queue-id.ts'
import type { Claim, ClaimToken, Settlement, SettleOutcome } from '../spool/spool.ts'
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

const remote = { mxHostname: 'mx.test', address: '192.0.2.1', port: 25 }

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
    routing: { laneFor: () => claim.lane, fallbackFor: () => undefined },
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

/** An attempt of which one recipient was taken at once, the other waits in the end. */
async function partlyTaken(settle: (settlement: Settlement) => SettleOutcome | undefined): Promise<void> {
  const settler = new Settler({
    spool: {
      settle: async (_, settlement) => settle(settlement) ?? { kind: 'settled' },
      release: async () => undefined,
    },
    leases: { drop: () => undefined },
    wake: () => undefined,
    routing: { laneFor: () => claim.lane, fallbackFor: () => undefined },
    ...{ retry: defaultRetryOptions, notices: defaultNoticeSettings, now: () => 1_000, random: () => 0 },
    notifier: {
      spool: { open: async () => assert.fail('nobody is told') },
      laneFor: () => claim.lane,
      ...{ hostname: 'relay.test', postmaster: 'postmaster@relay.test', dsnMaxAgeMs: 1_000, now: () => 1_000 },
    },
    emit: () => undefined,
  })
  const progress = new ClaimProgress(claim)
  progress.settle(0, { kind: 'delivered', reply: { code: 250, lines: [] }, remote })
  settler.settleTaken(progress)
  settler.settleTaken(progress)
  await settler.finished()
  progress.settle(1, { kind: 'deferred', problem: problemOf({ kind: 'timeout', phase: 'greeting' }, { at: 1 }) })
  settler.settle(progress)
  await settler.finished()
}

const indexesOf = ({ outcomes }: Settlement): readonly number[] => outcomes.map(({ index }) => index)

test('what a host has taken is written while the attempt goes on, once, and not said again at its end', async () => {
  const settled: Settlement[] = []
  await partlyTaken((settlement) => {
    settled.push(settlement)
    return undefined
  })
  assert.deepEqual(
    settled.map((one) => [indexesOf(one), one.keepClaim]),
    [
      [[0], true],
      [[1], undefined],
    ],
  )
  assert.equal(new Set(settled.map(({ id }) => id)).size, 2)
})

test('what could not be written while the attempt went on is said at its end', async () => {
  const settled: Settlement[] = []
  await partlyTaken((settlement) => {
    if (settlement.keepClaim === true) throw new Error('no disk')
    settled.push(settlement)
    return undefined
  })
  assert.deepEqual(settled.map(indexesOf), [[0, 1]])
})

test('what only the journal has is said again at the end, which may reach the store first', async () => {
  const settled: Settlement[] = []
  await partlyTaken((settlement) => {
    settled.push(settlement)
    return settlement.keepClaim === true ? { kind: 'journalled', detail: 'the store is away' } : undefined
  })
  assert.deepEqual(settled.map(indexesOf), [[0], [0, 1]])
})
