/** Decision 0017: a message to many domains tells of them together, whatever fails, waits or is handed on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultNoticeSettings } from '../../packages/mta/src/bounce/notice-plan.ts'
import { emptied, manyDomains, notifications, queuedNotices, startNotifiedWorld, told } from '../lab/notification.ts'
import type { RelayWorld, WorldOptions } from '../lab/relay-world.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'

const HOUR = 3_600_000
const REFUSING = { script: { RCPT: '550 5.1.1 no such user' } } as const
/** The moments of a message in this file: half a second after its arrival, and so on. */
const SOON = { notices: { ...defaultNoticeSettings, moments: { firstMs: 500, gapMaxMs: 500 } } }
/** For twenty domains, on a machine that has more to do. */
const LATE = { notices: { ...defaultNoticeSettings, moments: { firstMs: 2_000, gapMaxMs: 2_000 } } }

function start(options: WorldOptions, delivery: WorldOptions['delivery'] = SOON): Promise<RelayWorld> {
  return startNotifiedWorld({ ...options, delivery, slots: 40 })
}

function everybody(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => `bob@d${n}.test`)
}

test('twenty domains refuse a message: one notification names all of them', async () => {
  await using world = await start(manyDomains(20, REFUSING), LATE)
  const id = await world.submit({ to: everybody(20), envelope: { dsn: { ret: 'FULL' } } })
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  assert.equal(dsn.perRecipient.length, 20)
  assert.equal(new Set(told(dsn).map(([address]) => address)).size, 20)
  assert.equal(dsn.parts[2]?.type, 'message/rfc822')
  assert.match(dsn.parts[2]?.body ?? '', /\r\nHello\r\n/)
  const [queued, ...more] = await queuedNotices(world, 1)
  assert.deepEqual([more.length, queued?.id, queued?.recipients, queued?.gathered], [0, id, 20, true])
  await world.settled(queued?.dsnId ?? id)
  await emptied(world)
})

test('domains that refuse, that are handed the mail and that nobody knows are told of together', async () => {
  const without = DEFAULT_CAPABILITIES.filter((keyword) => keyword !== 'DSN')
  await using world = await start({
    hosts: { 'mx.d0.test': REFUSING, 'mx.d1.test': { capabilities: without } },
    mx: { 'd0.test': [[10, 'mx.d0.test']], 'd1.test': [[10, 'mx.d1.test']] },
  })
  await world.submit({
    to: ['bob@d0.test', 'bob@d1.test', 'bob@missing.test'],
    recipient: { notify: ['SUCCESS', 'FAILURE', 'DELAY'] },
  })
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  assert.deepEqual(told(dsn), [
    ['rfc822; bob@d0.test', 'failed'],
    ['rfc822; bob@d1.test', 'relayed'],
    ['rfc822; bob@missing.test', 'failed'],
  ])
  assert.match(dsn.text, /could not be delivered[\s\S]*handed to the next server/)
})

test('twenty domains that do not answer: one notice of the delay', async () => {
  const names = Array.from({ length: 20 }, (_, n) => `d${n}.test`)
  const hosts = names.map((name) => [name, [[10, `mx.${name}`]]] as const)
  await using world = await start({ deadHosts: names.map((name) => `mx.${name}`), mx: Object.fromEntries(hosts) }, LATE)
  await world.submit({ to: everybody(20), receivedAt: Date.now() - 5 * HOUR })
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  assert.equal(dsn.perRecipient.length, 20)
  assert.ok(told(dsn).every(([, action]) => action === 'delayed'))
})

test('lanes that wait beyond the time for a notice all have the same one', async () => {
  await using world = await start(manyDomains(3, { script: { RCPT: '451 4.3.0 busy' } }))
  const receivedAt = Date.now() - 3.8 * HOUR
  const id = await world.submit({ to: everybody(3), receivedAt })
  await world.settled(id, 3)
  const notices = (await world.show(id)).deliveries.filter(({ lane }) => lane === 'notice')
  assert.deepEqual(
    notices.map(({ dueAt }) => dueAt),
    [1, 2, 3].map(() => receivedAt + 4 * HOUR),
  )
})

test('what comes after the moment is told at the next one; nobody is told twice of one recipient', async () => {
  let busy = true
  const script = { RCPT: () => (busy ? '451 4.7.1 later' : '550 5.1.1 no such user') }
  const { hosts, mx } = manyDomains(1, REFUSING)
  await using world = await start({
    hosts: { ...hosts, 'mx.late.test': { script } },
    mx: { ...mx, 'late.test': [[10, 'mx.late.test']] },
  })
  const id = await world.submit({ to: ['bob@d0.test', 'bob@late.test'] })
  const [first] = await notifications(world, 1)
  assert.deepEqual(first && told(first), [['rfc822; bob@d0.test', 'failed']])
  busy = false
  await world.spool.admin.change([id], { kind: 'retry' })
  world.scheduler.wake(world.lane('late.test'), undefined, 'operator')
  const [, second] = await notifications(world, 2)
  assert.deepEqual(second && told(second), [['rfc822; bob@late.test', 'failed']])
  await emptied(world)
})

test('a message that is taken back: what failed before is told all the same', async () => {
  const { hosts, mx } = manyDomains(1, REFUSING)
  await using world = await start({
    hosts: { ...hosts, 'mx.busy.test': { script: { RCPT: '451 4.7.1 later' } } },
    mx: { ...mx, 'busy.test': [[10, 'mx.busy.test']] },
  })
  const id = await world.submit({ to: ['bob@d0.test', 'bob@busy.test'] })
  await world.settled(id, 2)
  assert.deepEqual(await world.spool.admin.change([id], { kind: 'cancel' }), [{ id, result: 'done' }])
  const [dsn] = await notifications(world, 1)
  assert.deepEqual(dsn && told(dsn), [['rfc822; bob@d0.test', 'failed']])
  await emptied(world)
})

test('a message to one domain is told of at once', async () => {
  await using world = await start(manyDomains(1, REFUSING), {})
  await world.submit({ to: ['bob@d0.test', 'carol@d0.test'] })
  const [dsn] = await notifications(world, 1)
  assert.equal(dsn?.perRecipient.length, 2)
  assert.equal((await queuedNotices(world, 1))[0]?.gathered, false)
})
