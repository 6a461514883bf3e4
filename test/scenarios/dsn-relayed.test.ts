/** RFC 3461 §5.2.2: where the next host tells of success, and where we do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { emptied, notifications, queuedNotices, SENDER_HOST, startNotifiedWorld, told } from '../lab/notification.ts'
import type { RelayWorld } from '../lab/relay-world.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'

const WITHOUT_DSN = DEFAULT_CAPABILITIES.filter((keyword) => keyword !== 'DSN')
const MX = 'mx.example.test'

function start(capabilities: readonly string[]): Promise<RelayWorld> {
  return startNotifiedWorld({ hosts: { [MX]: { capabilities } }, mx: { 'example.test': [[10, MX]] } })
}

const WANTED = { notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;Bob+2BSales@example.test' } as const
const ENVELOPE = { dsn: { envid: 'QQ+2B7', ret: 'FULL' } } as const

test('DSN-03: a host without DSN takes mail with NOTIFY=SUCCESS: it gets bare commands, its sender hears "relayed"', async () => {
  covers('DSN-03', { observe: 'smtp' })
  await using world = await start(WITHOUT_DSN)
  await world.submit({ to: ['bob@example.test'], recipient: WANTED, envelope: ENVELOPE })
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  const [sent] = world.mx(MX).messages
  assert.doesNotMatch(`${sent?.mail} ${sent?.recipients[0]?.line}`, /RET|ENVID|NOTIFY|ORCPT/)
  assert.equal(dsn.message.reversePath, '')
  assert.equal(dsn.perMessage.get('Original-Envelope-Id'), 'QQ+7')
  const [bob] = dsn.perRecipient
  assert.deepEqual(
    ['Original-Recipient', 'Final-Recipient', 'Action', 'Status', 'Remote-MTA'].map((name) => bob?.get(name)),
    ['rfc822; Bob+Sales@example.test', 'rfc822; bob@example.test', 'relayed', '2.0.0', `dns; ${MX}`],
  )
  assert.match(bob?.get('Diagnostic-Code') ?? '', /^smtp; 250 /)
  assert.equal(bob?.has('Will-Retry-Until'), false)
  // RFC 3461 §6.2: RET is about failures.
  assert.equal(dsn.parts[2]?.type, 'text/rfc822-headers')
  assert.match(dsn.header.get('Subject') ?? '', /handed on towards bob@example\.test/)
  assert.match(dsn.text, /handed to the next server/)
  await emptied(world)
})

test('a host with DSN gets the parameters as they came, and whoever comes last tells of success', async () => {
  await using world = await start(DEFAULT_CAPABILITIES)
  const id = await world.submit({ to: ['bob@example.test'], recipient: WANTED, envelope: ENVELOPE })
  await world.settled(id)
  const [sent] = world.mx(MX).messages
  assert.match(sent?.mail ?? '', / RET=FULL ENVID=QQ\+2B7$/)
  assert.match(sent?.recipients[0]?.line ?? '', / NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob\+2BSales@example\.test$/)
  assert.deepEqual(world.eventsOf('dsn-queued'), [])
  assert.equal((await world.spool.admin.summary()).messages, 0)
})

for (const [what, recipient, from] of [
  ['NOTIFY is absent', {}, undefined],
  ['NOTIFY=FAILURE', { notify: ['FAILURE'] }, undefined],
  ['NOTIFY=NEVER', { notify: ['NEVER'] }, undefined],
  ['the reverse-path is null', { notify: ['SUCCESS'] }, ''],
] as const) {
  test(`nobody hears of success when ${what}`, async () => {
    await using world = await start(WITHOUT_DSN)
    const id = await world.submit({ to: ['bob@example.test'], recipient, ...(from === undefined ? {} : { from }) })
    await world.settled(id)
    assert.deepEqual(world.eventsOf('dsn-queued'), [])
    assert.equal((await world.spool.admin.summary()).messages, 0)
    assert.equal(world.mx(SENDER_HOST).connections.length, 0)
  })
}

test('what was handed on and what failed in one transaction is told in one notification', async () => {
  await using world = await startNotifiedWorld({
    hosts: {
      [MX]: {
        capabilities: WITHOUT_DSN,
        script: { RCPT: ({ recipient }) => (recipient?.startsWith('eve') ? '550 5.1.1 no such user' : undefined) },
      },
    },
    mx: { 'example.test': [[10, MX]] },
  })
  await world.submit({ to: ['bob@example.test', 'eve@example.test'], recipient: WANTED, envelope: ENVELOPE })
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  assert.deepEqual(told(dsn), [
    ['rfc822; bob@example.test', 'relayed'],
    ['rfc822; eve@example.test', 'failed'],
  ])
  assert.match(dsn.header.get('Subject') ?? '', /not delivered to eve@example\.test$/)
  assert.equal(dsn.parts[2]?.type, 'message/rfc822')
  assert.deepEqual(
    (await queuedNotices(world, 1)).map(({ action, recipients, gathered }) => [action, recipients, gathered]),
    [['failed', 2, false]],
  )
})
