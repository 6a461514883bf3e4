/** RFC 3461 §5.2.6 and §6, RFC 5321 §6.1: what leaves the relay, and for whom, when a delivery fails for good. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Recipient } from '../../packages/mta/src/smtp/envelope.ts'
import { newQueueId, type QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import { covers } from '../conformance/covers.ts'
import type { MxScript, ReceivedMessage } from '../lab/mx-script.ts'
import { address, RelayWorld, type Submission, type WorldOptions } from '../lab/relay-world.ts'

/** A destination that does what the script says, and a sender's host that takes mail. */
function start(script: MxScript, changes: Partial<WorldOptions> = {}): Promise<RelayWorld> {
  return RelayWorld.start({
    hosts: { 'mx.example.test': { script }, 'mx.sender.test': {} },
    mx: { 'example.test': [[10, 'mx.example.test']], 'sender.test': [[10, 'mx.sender.test']] },
    ...changes,
  })
}

async function fails(world: RelayWorld, submission: Submission): Promise<QueueId> {
  const id = await world.submit(submission)
  await world.settled(id)
  return id
}

/** Everything that reached the sender's host, once the notification is settled. */
async function notifications(world: RelayWorld): Promise<readonly ReceivedMessage[]> {
  for (const { dsnId } of world.eventsOf('dsn-queued')) await world.settled(dsnId)
  return world.mx('mx.sender.test').messages
}

/** The groups of message/delivery-status, fields unfolded. */
function statusOf({ content }: ReceivedMessage): readonly ReadonlyMap<string, string>[] {
  const part = content.toString().split(/Content-Type: message\/delivery-status\r\n[^\r]+\r\n\r\n/)[1] ?? ''
  const groups = (part.split('\r\n--')[0] ?? '').replace(/\r\n[ \t]/g, ' ').split('\r\n\r\n')
  return groups.map(
    (group) =>
      new Map(
        group
          .split('\r\n')
          .filter((line) => line !== '')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      ),
  )
}

const REFUSING: MxScript = { RCPT: '550 5.1.1 no such user' }

test('DSN-05, DSN-08, DSN-16, SMTP-67 and SMTP-68: 550 to RCPT makes one notification to the reverse-path', async () => {
  covers(['DSN-05', 'DSN-08', 'DSN-16', 'SMTP-67', 'SMTP-68'], { observe: 'smtp' })
  await using world = await start(REFUSING)
  await fails(world, { to: ['bob@example.test'], envelope: { dsn: { ret: 'FULL', envid: 'QQ1' } } })
  const [notification, ...more] = await notifications(world)
  assert.ok(notification !== undefined && more.length === 0)
  assert.equal(notification.reversePath, '')
  assert.doesNotMatch(notification.mail, /RET=|ENVID=/)
  assert.deepEqual(
    notification.recipients.map(({ address }) => address),
    ['alice@sender.test'],
  )
  for (const { line } of notification.recipients) assert.doesNotMatch(line, /NOTIFY=(?!NEVER)/)
  const text = notification.content.toString()
  assert.match(text, /^From: .*<postmaster@relay\.lab\.test>\r$/m)
  assert.match(text, /^To: <alice@sender\.test>\r$/m)
  const [perMessage, bob, ...others] = statusOf(notification)
  assert.equal(others.length, 0)
  assert.equal(perMessage?.get('Original-Envelope-Id'), 'QQ1')
  assert.equal(bob?.get('Action'), 'failed')
  assert.equal(bob?.get('Final-Recipient'), 'rfc822; bob@example.test')
  assert.equal(bob?.get('Remote-MTA'), 'dns; mx.example.test')
  assert.equal(bob?.get('Diagnostic-Code'), 'smtp; 550 5.1.1 no such user')
})

for (const notify of [['NEVER'], ['SUCCESS', 'DELAY']] as const) {
  test(`DSN-04: NOTIFY=${notify.join(',')} and 550 to RCPT: nothing goes to the sender, the failure is counted`, async () => {
    covers('DSN-04', { observe: 'smtp' })
    await using world = await start(REFUSING)
    const id = await fails(world, { to: ['bob@example.test'], recipient: { notify } })
    assert.deepEqual(world.eventsOf('failure-not-reported'), [
      { event: 'failure-not-reported', id, recipients: 1, reason: 'not-requested' },
    ])
    await nothingIsLeftFor(world)
  })
}

test('DSN-07: a failing message from <> causes no notification', async () => {
  covers('DSN-07', { observe: 'smtp' })
  await using world = await start(REFUSING)
  const id = await fails(world, { from: '', to: ['bob@example.test'] })
  assert.equal(
    world.mx('mx.example.test').connections[0]?.commands.some((line) => line.startsWith('MAIL FROM:<>')),
    true,
  )
  assert.equal(world.eventsOf('failure-not-reported')[0]?.id, id)
  await nothingIsLeftFor(world)
})

test('SMTP-69: a notification that is refused itself is dropped and counted', async () => {
  covers('SMTP-69', { observe: 'smtp' })
  const refusing = { script: REFUSING }
  await using world = await start(REFUSING, { hosts: { 'mx.example.test': refusing, 'mx.sender.test': refusing } })
  await fails(world, { to: ['bob@example.test'] })
  assert.deepEqual(await notifications(world), [])
  const [queued, ...more] = world.eventsOf('dsn-queued')
  assert.equal(more.length, 0)
  assert.deepEqual(
    world.eventsOf('failure-not-reported').map(({ id, reason }) => [id, reason]),
    [[queued?.dsnId, 'null-reverse-path']],
  )
  assert.equal((await world.spool.admin.summary()).messages, 0)
})

test('SMTP-70: a null reverse-path stays null on its way', async () => {
  covers('SMTP-70', { observe: 'smtp' })
  await using world = await start({})
  await fails(world, { from: '', to: ['bob@example.test'] })
  assert.equal(world.mx('mx.example.test').messages[0]?.reversePath, '')
})

test('DSN-12: a domain that does not exist is bounced without Remote-MTA', async () => {
  covers('DSN-12', { observe: 'smtp' })
  await using world = await start({})
  await fails(world, { to: ['bob@missing.test'] })
  const [notification] = await notifications(world)
  assert.ok(notification !== undefined)
  const [, bob] = statusOf(notification)
  assert.equal(bob?.get('Status'), '5.1.2')
  assert.equal(bob?.has('Remote-MTA'), false)
  assert.match(bob?.get('Diagnostic-Code') ?? '', /^x-hermetic; domain-not-found/)
})

test('DSN-13: mail that expires after transient failures names the last of them in class 4', async () => {
  covers('DSN-13', { observe: 'smtp' })
  await using world = await start({ RCPT: '451 4.7.1 greylisted' })
  // The schedule allows one last attempt when the time is over; it fails like those before.
  await fails(world, { to: ['bob@example.test'], expiresAt: Date.now() + 200 })
  await world.until(() => world.eventsOf('dsn-queued').length === 1, 'the message did not expire')
  const [notification] = await notifications(world)
  assert.ok(notification !== undefined)
  const [, bob] = statusOf(notification)
  assert.equal(bob?.get('Action'), 'failed')
  assert.equal(bob?.get('Status'), '4.7.1')
  assert.equal(bob?.get('Diagnostic-Code'), 'smtp; 451 4.7.1 greylisted')
  assert.equal(bob?.has('Will-Retry-Until'), false)
})

test('DSN-19: one notification names the failed recipients but not the one with NOTIFY=NEVER', async () => {
  covers('DSN-19', { observe: 'smtp' })
  await using world = await start(REFUSING)
  await failsWith(world, [
    { index: 0, address: address('a@example.test') },
    { index: 1, address: address('b@example.test'), notify: ['NEVER'] },
    { index: 2, address: address('c@example.test') },
  ])
  const received = await notifications(world)
  assert.equal(received.length, 1)
  const [, ...groups] = statusOf(received[0] as ReceivedMessage)
  assert.deepEqual(
    groups.map((group) => group.get('Final-Recipient')),
    ['rfc822; a@example.test', 'rfc822; c@example.test'],
  )
  assert.doesNotMatch(received[0]?.content.toString() ?? '', /b@example\.test/)
})

/** Nothing was sent to the sender, and nothing waits to be. */
async function nothingIsLeftFor(world: RelayWorld): Promise<void> {
  assert.deepEqual(world.eventsOf('dsn-queued'), [])
  assert.equal((await world.spool.admin.summary()).messages, 0)
  assert.equal(world.mx('mx.sender.test').connections.length, 0)
}

/** Recipients of one message that differ in what they asked for. */
async function failsWith(world: RelayWorld, recipients: readonly Recipient[]): Promise<void> {
  const bytes = Buffer.from('Subject: lab\r\n\r\nHello\r\n')
  const id = newQueueId()
  const lane = world.lane('example.test')
  await world.spool.accept({
    id,
    envelope: {
      reversePath: address('alice@sender.test'),
      body: '7bit',
      smtpUtf8: false,
      tls: 'default',
      dsn: {},
      size: bytes.length,
      origin: { kind: 'network', address: '127.0.0.1' },
    },
    recipients,
    deliveries: [{ lane, recipients: recipients.map(({ index }) => index) }],
    receivedAt: Date.now(),
    expiresAt: Date.now() + 86_400_000,
    content: { kind: 'memory', bytes },
  })
  world.scheduler.wake(lane)
  await world.settled(id)
}
