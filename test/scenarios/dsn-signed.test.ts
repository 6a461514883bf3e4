/** RFC 6376: notifications are signed wherever they are made: with a settlement, for many lanes, or beside a suspect in a child process. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultNoticeSettings } from '../../packages/mta/src/bounce/notice-plan.ts'
import { retrySuspects } from '../../packages/mta/src/delivery/suspect-retry.ts'
import { messageSigner, signWhole } from '../../packages/mta/src/signing/dkim.ts'
import { ED25519, identity, verified } from '../../packages/mta/src/signing/signing.fixture.ts'
import { manyDomains, notifications, SENDER_HOST, startNotifiedWorld } from '../lab/notification.ts'
import type { RelayWorld, WorldOptions } from '../lab/relay-world.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'

const KEY = identity({ domain: 'relay.lab.test', key: ED25519 })
const SIGNED = ['relay.lab.test/s1 pass']
const REFUSING = manyDomains(2, { script: { RCPT: '550 5.1.1 no such user' } })
const TO_ONE = ['bob@d0.test']

function start(options: WorldOptions): Promise<RelayWorld> {
  const begin = messageSigner([KEY])
  return startNotifiedWorld({
    ...REFUSING,
    ...options,
    delivery: {
      notices: { ...defaultNoticeSettings, moments: { firstMs: 200, gapMaxMs: 200 } },
      signNotice: (message, signedAt) => signWhole(begin, message, signedAt),
    },
  })
}

async function onlyNotification(world: RelayWorld): Promise<Buffer> {
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  return dsn.message.content
}

test('one that is made in the child process that delivers a suspect', async () => {
  await using world = await start({ crashedWith: [{ to: TO_ONE }] })
  const { spool, deliveryOptions: delivery } = world
  const signal = new AbortController().signal
  await retrySuspects({ suspects: spool.suspects, spool, delivery, setAsideAfterDeaths: 1, signal })
  assert.deepEqual(await verified(await onlyNotification(world), [KEY]), SIGNED)
  assert.equal(world.eventsOf('dsn-queued')[0]?.dkim?.kind, 'signed')
})

for (const [what, to] of [
  ['one that tells of one lane', TO_ONE],
  ['one that tells of two', ['bob@d0.test', 'bob@d1.test']],
] as const) {
  test(what, async () => {
    await using world = await start({})
    await world.submit({ to })
    assert.deepEqual(await verified(await onlyNotification(world), [KEY]), SIGNED)
  })
}

test('one that goes once more in seven bits', async () => {
  const capabilities = DEFAULT_CAPABILITIES.filter((keyword) => keyword !== 'SMTPUTF8')
  await using world = await start({ hosts: { ...REFUSING.hosts, [SENDER_HOST]: { capabilities } } })
  await world.submit({
    to: TO_ONE,
    content: 'Subject: Grüße\r\n\r\nx\r\n',
    envelope: { smtpUtf8: true, body: '8bitmime' },
  })
  const content = await onlyNotification(world)
  assert.equal(world.eventsOf('dsn-downgraded').length, 1)
  assert.deepEqual(await verified(content, [KEY]), SIGNED)
})
