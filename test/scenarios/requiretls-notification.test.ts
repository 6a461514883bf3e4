/** RFC 8689 §5, and the end of §4.2.1: the notifications about REQUIRETLS messages, and how such without a reverse-path travel. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { type DaneWorldOptions, DOMAIN, MX } from '../lab/dane-world.ts'
import {
  LISTED,
  MX20,
  mailsAt,
  returned,
  SENDER_MX,
  startTaggedWorld,
  statusOf,
  submitTagged,
} from '../lab/requiretls-world.ts'
import type { StsWorld } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const LISTING: HostOptions = { capabilitiesInTls: LISTED }
const BOTH = [
  [10, MX],
  [20, MX20],
] as const
const WITHOUT_REVERSE_PATH = { from: '' }

test('RTLS-28, RTLS-29: no host lists REQUIRETLS: the sender is told within one attempt, with 5.7.30', async () => {
  covers(['RTLS-28', 'RTLS-29'], { observe: 'smtp' })
  const others = { hosts: { [MX20]: {} }, mx: { [DOMAIN]: BOTH } }
  await using world = await startTaggedWorld({ others })
  const id = await submitTagged(world, 'requiretls')
  const dsn = await returned(world)
  assert.equal(statusOf(dsn), '5.7.30')
  assert.match(dsn.text, /^Action: failed\r$/m)
  assert.equal(world.relay.eventsOf('message-settled').filter((event) => event.id === id).length, 1)
  assert.deepEqual([mailsAt(world, MX), mailsAt(world, MX20)], [[], []])
})

for (const [what, options] of [
  ['no TLS', { host: { ...LISTING, tls: 'none' } }],
  ['no certificate that holds', { host: { ...LISTING, tls: 'expired' } }],
  ['no proof of the name of the host', { host: LISTING, insecureMx: true }],
] as const satisfies readonly (readonly [string, DaneWorldOptions])[]) {
  test(`RTLS-29: ${what}: 5.7.10, and the text says what was demanded`, async () => {
    covers('RTLS-29', { observe: 'smtp' })
    await using world = await startTaggedWorld(options)
    await submitTagged(world, 'requiretls')
    const dsn = await returned(world)
    assert.equal(statusOf(dsn), '5.7.10')
    assert.match(dsn.text, /REQUIRETLS/)
  })
}

test('RTLS-41, RTLS-42: the notification demands REQUIRETLS, whatever the reason, and has the header section only', async () => {
  covers(['RTLS-41', 'RTLS-42'], { observe: 'smtp' })
  const host: HostOptions = { ...LISTING, script: { RCPT: '550 5.1.1 no such user' } }
  await using world = await startTaggedWorld({ host })
  await submitTagged(world, 'requiretls', { envelope: { dsn: { ret: 'FULL' } } })
  const dsn = await returned(world)
  assert.equal(statusOf(dsn), '5.1.1')
  assert.equal(dsn.reversePath, '')
  assert.match(dsn.mail, / REQUIRETLS$/)
  assert.match(dsn.text, /^Content-Type: text\/rfc822-headers/m)
  assert.doesNotMatch(dsn.text, /^Hello\r$/m)
})

for (const tls of ['default', 'tls-optional'] as const) {
  test(`RTLS-41: that of a message tagged ${tls} demands nothing`, async () => {
    covers('RTLS-41', { observe: 'smtp' })
    await using world = await startTaggedWorld({ host: { script: { RCPT: '550 5.1.1 no such user' } } })
    await submitTagged(world, tls, { envelope: { dsn: { ret: 'FULL' } } })
    const dsn = await returned(world)
    assert.doesNotMatch(dsn.mail, /REQUIRETLS/)
    assert.match(dsn.text, /^Content-Type: message\/rfc822/m)
  })
}

test('RTLS-41: a notification for a domain without REQUIRETLS reaches its host all the same', async () => {
  covers('RTLS-41', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: {}, others: { hosts: { [SENDER_MX]: {} } } })
  await submitTagged(world, 'requiretls')
  assert.doesNotMatch((await returned(world)).mail, /REQUIRETLS/)
})

async function sendWithoutReversePath(world: StsWorld): Promise<readonly string[]> {
  await submitTagged(world, 'requiretls', WITHOUT_REVERSE_PATH)
  return mailsAt(world, MX)
}

test('RTLS-43, RTLS-44: without a reverse-path a message is sent with the parameter where all conditions hold', async () => {
  covers(['RTLS-43', 'RTLS-44'], { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: LISTING })
  const mails = await sendWithoutReversePath(world)
  assert.equal(mails.length, 1)
  assert.match(mails.join(), / REQUIRETLS$/)
})

test('RTLS-43: after all hosts were tried for that, it is sent without the parameter', async () => {
  covers('RTLS-43', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: {}, others: { hosts: { [MX20]: {} }, mx: { [DOMAIN]: BOTH } } })
  await submitTagged(world, 'requiretls', WITHOUT_REVERSE_PATH)
  assert.equal(world.relay.mx(MX).messages.length, 1)
  assert.doesNotMatch(mailsAt(world, MX).join(), /REQUIRETLS/)
  assert.equal(world.relay.mx(MX20).connections.length, 1, 'it might have listed it')
  assert.deepEqual(mailsAt(world, MX20), [])
})

test('RTLS-43: a better host that lists it wins over a better preference', async () => {
  covers('RTLS-43', { observe: 'smtp' })
  await using world = await startTaggedWorld({
    host: {},
    others: { hosts: { [MX20]: LISTING }, mx: { [DOMAIN]: BOTH } },
  })
  await submitTagged(world, 'requiretls', WITHOUT_REVERSE_PATH)
  assert.equal(world.relay.mx(MX).messages.length, 0)
  assert.match(mailsAt(world, MX20).join(), / REQUIRETLS$/)
})

for (const [what, options, taken] of [
  ['in clear to a host without STARTTLS', { host: { tls: 'none' } }, 1],
  ['to a certificate that nobody believes', { certificate: 'self-signed' }, 1],
  ['to hosts that unsigned records name', { insecureMx: true }, 1],
  ['not past an enforced policy', { host: { tls: 'expired' }, policy: { mode: 'enforce', mx: [MX] } }, 0],
  ['not past TLSA records', { tlsa: 'other' }, 0],
] as const satisfies readonly (readonly [string, DaneWorldOptions, number])[]) {
  test(`RTLS-44, Table C, row 13: without the parameter the rules of any other message bind: ${what}`, async () => {
    covers('RTLS-44', { observe: 'smtp' })
    await using world = await startTaggedWorld(options)
    await sendWithoutReversePath(world)
    assert.equal(world.relay.mx(MX).messages.length, taken)
    assert.equal(world.relay.eventsOf('dsn-queued').length, 0)
  })
}

test('RTLS-43: while a host may yet do it waits, as any other', async () => {
  covers('RTLS-43', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: { ...LISTING, script: { MAIL: '451 4.3.0 later' } } })
  const mails = await sendWithoutReversePath(world)
  assert.equal(mails.length, 1)
  assert.match(mails.join(), / REQUIRETLS$/)
})
