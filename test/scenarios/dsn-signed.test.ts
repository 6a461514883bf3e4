/** RFC 6376: notifications are signed wherever they are made: with a settlement, for many lanes, or beside a suspect in a child process. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOTICE_LANE } from '../../packages/mta/src/bounce/notice-lane.ts'
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

test('those of two lanes that are made in such children', async () => {
  await using world = await start({
    faultySpool: (spool) => ({
      claim: async (lane, options) => (lane === NOTICE_LANE ? [] : await spool.claim(lane, options)),
      renew: (tokens, leaseMs) => spool.renew(tokens, leaseMs),
      settle: (token, settlement) => spool.settle(token, settlement),
      release: (tokens) => spool.release(tokens),
      open: (id) => spool.open(id),
      admin: spool.admin,
    }),
  })
  const { spool, deliveryOptions: delivery } = world
  const id = await world.submit({ to: ['bob@d0.test', 'bob@d1.test'] })
  await world.settled(id, 2)
  await spool.admin.change([id], { kind: 'retry' })
  let suspected = true
  const ends: string[] = []
  await retrySuspects({
    suspects: {
      list: () => (suspected ? [{ id, deaths: 1 }] : []),
      claim: (one, options) => spool.suspects.claim(one, options),
      clear: async () => {
        suspected = false
      },
      quarantine: (one, reason) => spool.suspects.quarantine(one, reason),
    },
    ...{ spool, delivery, setAsideAfterDeaths: 1, signal: new AbortController().signal },
    onTried: ({ end }) => ends.push(end.kind),
  })
  assert.deepEqual(ends, ['ended', 'ended'])
  // Each delivery of a suspect is tried in a child of its own, and so tells of its own lane.
  for (const { message, perRecipient } of await notifications(world, 2)) {
    assert.equal(perRecipient.length, 1)
    assert.deepEqual(await verified(message.content, [KEY]), SIGNED)
  }
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
