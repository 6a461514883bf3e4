/** RFC 3461 §5.2.5, RFC 3464 §2.3.9: who is told that mail is delayed, when, and that it is told once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOTICE_LANE } from '../../packages/mta/src/bounce/notice-lane.ts'
import { defaultNoticeSettings } from '../../packages/mta/src/bounce/notice-plan.ts'
import { covers } from '../conformance/covers.ts'
import type { MxScript } from '../lab/mx-script.ts'
import { emptied, notifications, SENDER_HOST, startNotifiedWorld, told } from '../lab/notification.ts'
import type { RelayWorld, WorldOptions } from '../lab/relay-world.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const MX = 'mx.example.test'
const BUSY: MxScript = { RCPT: '451 4.3.0 busy' }

/** The clock of the relay, in front of that of the machine; the queue's own stays, and runs what is overdue. */
interface Clock {
  aheadMs: number
}

function start(
  script: MxScript,
  clock: Clock = { aheadMs: 0 },
  changes: WorldOptions['delivery'] = {},
  more: WorldOptions = {},
): Promise<RelayWorld> {
  return startNotifiedWorld({
    hosts: { [MX]: { script } },
    mx: { 'example.test': [[10, MX]] },
    delivery: { now: () => Date.now() + clock.aheadMs, ...changes },
    ...more,
  })
}

/** Every attempt so far is settled, and an operator orders the next. */
async function retry(world: RelayWorld, id: Awaited<ReturnType<RelayWorld['submit']>>, times: number): Promise<void> {
  await world.settled(id, times - 1)
  await world.spool.admin.change([id], { kind: 'retry' })
  world.scheduler.wake(world.lane('example.test'), undefined, 'operator')
  await world.settled(id, times)
}

test('DSN-06, DSN-14: a host that is busy for five hours: one notice of the delay, saying until when it is tried', async () => {
  covers(['DSN-06', 'DSN-14'], { observe: 'smtp' })
  const clock = { aheadMs: 0 }
  await using world = await start(BUSY, clock)
  const receivedAt = Date.now() - 5 * HOUR
  const id = await world.submit({ to: ['bob@example.test'], receivedAt })
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  assert.equal(dsn.message.reversePath, '')
  const [bob] = dsn.perRecipient
  assert.deepEqual([bob?.get('Action'), bob?.get('Status')], ['delayed', '4.3.0'])
  assert.equal(bob?.get('Diagnostic-Code'), 'smtp; 451 4.3.0 busy')
  const until = Date.parse(bob?.get('Will-Retry-Until') ?? '')
  assert.equal(Math.floor((receivedAt + 5 * DAY) / 1000) * 1000, until)
  assert.match(dsn.header.get('Subject') ?? '', /is delayed on its way to bob@example\.test/)
  assert.match(dsn.text, /You need not send it again/)
  assert.equal(dsn.parts[2]?.type, 'text/rfc822-headers')
  // Once: further attempts end the same way and are not told.
  await retry(world, id, 2)
  await retry(world, id, 3)
  assert.equal(world.eventsOf('dsn-queued').length, 1)
  // The end is told for itself, without a time until which it is tried.
  clock.aheadMs = 5 * DAY
  await retry(world, id, 4)
  const [, failed] = await notifications(world, 2)
  assert.deepEqual(failed && told(failed), [['rfc822; bob@example.test', 'failed']])
  assert.equal(failed?.perRecipient[0]?.has('Will-Retry-Until'), false)
})

for (const notify of [['FAILURE'], ['SUCCESS'], ['NEVER']] as const) {
  test(`DSN-06: no notice of a delay with NOTIFY=${notify.join(',')}`, async () => {
    covers('DSN-06', { observe: 'smtp' })
    await using world = await start(BUSY)
    const receivedAt = Date.now() - 5 * HOUR
    const id = await world.submit({ to: ['bob@example.test'], receivedAt, recipient: { notify } })
    await world.settled(id)
    assert.equal((await world.show(id)).deliveries.length, 1)
    assert.equal(world.mx(SENDER_HOST).connections.length, 0)
  })
}

test('before its time nothing is told; when nothing is tried until then, the notice is for that time', async () => {
  await using world = await start(BUSY)
  const receivedAt = Date.now() - 3.8 * HOUR
  const id = await world.submit({ to: ['bob@example.test'], receivedAt })
  await world.settled(id)
  const [waiting, notice] = (await world.show(id)).deliveries
  assert.equal(waiting?.lane, world.lane('example.test'))
  assert.ok(waiting.dueAt > receivedAt + 4 * HOUR)
  assert.deepEqual([notice?.lane, notice?.dueAt], [NOTICE_LANE, receivedAt + 4 * HOUR])
  // An attempt that an operator orders does not hasten it.
  await retry(world, id, 2)
  assert.equal((await world.show(id)).deliveries[1]?.dueAt, receivedAt + 4 * HOUR)
  assert.equal(world.mx(SENDER_HOST).connections.length, 0)
})

/** Nobody takes notices until the gate is open. */
function gated(gate: { open: boolean }): Pick<WorldOptions, 'faultySpool'> {
  return {
    faultySpool: (spool) => ({
      claim: async (lane, options) => (lane === NOTICE_LANE && !gate.open ? [] : await spool.claim(lane, options)),
      renew: (tokens, leaseMs) => spool.renew(tokens, leaseMs),
      settle: (token, settlement) => spool.settle(token, settlement),
      release: (tokens) => spool.release(tokens),
      open: (id) => spool.open(id),
      admin: spool.admin,
    }),
  }
}

test('who has the mail by the time of the notice is not told that it waits', async () => {
  const gate = { open: false }
  await using world = await start(BUSY, undefined, {}, gated(gate))
  const id = await world.submit({ to: ['bob@example.test'], receivedAt: Date.now() - 5 * HOUR })
  await world.settled(id)
  world.mx(MX).script = {}
  await retry(world, id, 2)
  assert.equal(world.mx(MX).messages.length, 1)
  gate.open = true
  world.scheduler.wake(NOTICE_LANE, undefined, 'operator')
  await emptied(world)
  assert.deepEqual(world.eventsOf('dsn-queued'), [])
})

test('a notice tells how things stand when it is sent, not when it was decided', async () => {
  const gate = { open: false }
  await using world = await start(BUSY, undefined, {}, gated(gate))
  const id = await world.submit({ to: ['bob@example.test'], receivedAt: Date.now() - 5 * HOUR })
  await world.settled(id)
  world.mx(MX).script = { RCPT: '452 4.2.2 mailbox full' }
  await retry(world, id, 2)
  gate.open = true
  world.scheduler.wake(NOTICE_LANE, undefined, 'operator')
  const [dsn] = await notifications(world, 1)
  assert.equal(dsn?.perRecipient[0]?.get('Status'), '4.2.2')
})

test('a setting says after which age, and whether at all', async () => {
  const settings = (delayAfterMs: number | undefined) => ({ notices: { ...defaultNoticeSettings, delayAfterMs } })
  const receivedAt = Date.now() - 2 * HOUR
  await using early = await start(BUSY, undefined, settings(HOUR))
  await early.submit({ to: ['bob@example.test'], receivedAt })
  assert.equal((await notifications(early, 1)).length, 1)
  await using never = await start(BUSY, undefined, settings(undefined))
  const id = await never.submit({ to: ['bob@example.test'], receivedAt: receivedAt - DAY })
  await never.settled(id)
  assert.equal((await never.show(id)).deliveries.length, 1)
})

test('mail that was held after its third ambiguous end: its sender is told at once that it may have arrived', async () => {
  const clock = { aheadMs: 0 }
  await using world = await start({ DOT: { after: 'reset' } }, clock)
  const id = await world.submit({ to: ['bob@example.test'] })
  await retry(world, id, 2)
  assert.equal((await world.show(id)).deliveries.length, 1)
  await retry(world, id, 3)
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  assert.deepEqual(told(dsn), [['rfc822; bob@example.test', 'delayed']])
  assert.match(dsn.text, /may have delivered it/)
  assert.equal((await world.show(id)).deliveries[0]?.state, 'held')
})

test('nobody is told of the delay of a notification', async () => {
  await using world = await start(BUSY)
  const id = await world.submit({ from: '', to: ['bob@example.test'], receivedAt: Date.now() - 5 * HOUR })
  await world.settled(id)
  assert.equal((await world.show(id)).deliveries.length, 1)
})
