/** RFC 6533, RFC 6531 §3.7.4.1: notifications about internationalised mail, and ways back that take UTF-8 or do not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { emptied, notifications, SENDER_HOST, startNotifiedWorld } from '../lab/notification.ts'
import type { RelayWorld, WorldOptions } from '../lab/relay-world.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'

const MX = 'mx.example.test'
const CONTENT = 'From: <alice@sender.test>\r\nSubject: Grüße\r\n\r\nschöner Text\r\n'
const INTERNATIONAL = { smtpUtf8: true, body: '8bitmime' } as const

function start(missing: readonly string[], more: WorldOptions['hosts'] = {}, delivery: WorldOptions['delivery'] = {}) {
  const capabilities = DEFAULT_CAPABILITIES.filter((keyword) => !missing.includes(keyword))
  return startNotifiedWorld({
    hosts: { [SENDER_HOST]: { capabilities }, [MX]: { script: { RCPT: REFUSAL } }, ...more },
    mx: { 'example.test': [[10, MX]] },
    delivery,
  })
}

const REFUSAL = '551 5.1.6 try <grün@example.test>'

async function submit(world: RelayWorld, envelope: object = INTERNATIONAL, content = CONTENT): Promise<void> {
  await world.submit({
    to: ['bücher@example.test'],
    content,
    recipient: { orcpt: 'utf-8;bücher@example.test' },
    envelope: { ...envelope },
  })
}

test('EAI-08 and EAI-11: to a host with SMTPUTF8 it has the types of RFC 6533, addresses and replies in UTF-8', async () => {
  covers(['EAI-08', 'EAI-11'], { observe: 'smtp' })
  await using world = await start([])
  await submit(world)
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  assert.match(dsn.message.mail, / BODY=8BITMIME SMTPUTF8$/)
  assert.deepEqual(
    dsn.parts.map(({ type, encoding }) => [type, encoding]),
    [
      ['text/plain', 'quoted-printable'],
      ['message/global-delivery-status', '8bit'],
      ['message/global-headers', '8bit'],
    ],
  )
  const [fields] = dsn.perRecipient
  assert.equal(fields?.get('Final-Recipient'), 'utf-8; bücher@example.test')
  assert.equal(fields?.get('Original-Recipient'), 'utf-8; bücher@example.test')
  assert.equal(fields?.get('Diagnostic-Code'), `smtp; ${REFUSAL}`)
  assert.match(dsn.parts[2]?.body ?? '', /^Subject: Grüße\r?$/m)
  assert.match(dsn.text, /bücher@example\.test .* try <grün@example\.test>/)
})

test('EAI-08 and EAI-11: to a host without SMTPUTF8 the same goes in seven bits', async () => {
  covers(['EAI-08', 'EAI-11'], { observe: 'smtp' })
  await using world = await start(['SMTPUTF8', '8BITMIME'])
  await submit(world)
  const [dsn] = await notifications(world, 1)
  assert.ok(dsn !== undefined)
  assert.match(dsn.message.mail, /^MAIL FROM:<> SIZE=\d+$/)
  assert.match(dsn.message.content.toString('latin1'), /^\p{ASCII}*$/u)
  assert.deepEqual(
    dsn.parts.map(({ type, encoding }) => [type, encoding]),
    [
      ['text/plain', 'quoted-printable'],
      ['message/delivery-status', '7bit'],
      ['text/rfc822-headers', 'quoted-printable'],
    ],
  )
  const [fields] = dsn.perRecipient
  assert.equal(fields?.get('Final-Recipient'), 'utf-8; b\\x{FC}cher@example.test')
  assert.equal(fields?.get('Original-Recipient'), 'utf-8; b\\x{FC}cher@example.test')
  assert.equal(fields?.get('Diagnostic-Code'), 'smtp; 551 5.1.6 try <gr?n@example.test>')
  assert.match(dsn.parts[2]?.body ?? '', /^Subject: Grüße\r?$/m)
  assert.match(dsn.text, /bücher@example\.test .* try <grün@example\.test>/)
  await emptied(world)
  const [downgraded] = world.eventsOf('dsn-downgraded')
  assert.deepEqual([downgraded?.missing, world.eventsOf('failure-not-reported')], ['SMTPUTF8', []])
})

test('a worse host of the sender that has SMTPUTF8 gets it as it is', async () => {
  await using world = await startNotifiedWorld({
    hosts: {
      [SENDER_HOST]: {},
      'mx-old.sender.test': { capabilities: DEFAULT_CAPABILITIES.filter((keyword) => keyword !== 'SMTPUTF8') },
      [MX]: { script: { RCPT: REFUSAL } },
    },
    mx: {
      'example.test': [[10, MX]],
      'sender.test': [
        [10, 'mx-old.sender.test'],
        [20, SENDER_HOST],
      ],
    },
  })
  await submit(world)
  const [dsn] = await notifications(world, 1)
  assert.equal(dsn?.parts[1]?.type, 'message/global-delivery-status')
  assert.deepEqual(world.eventsOf('dsn-downgraded'), [])
})

test('EAI-11: a UTF-8 address in a reply about ordinary mail makes no notification that the way back cannot take', async () => {
  covers('EAI-11', { observe: 'smtp' })
  await using world = await start(['SMTPUTF8', '8BITMIME'])
  await world.submit({ to: ['bob@example.test'] })
  const [dsn] = await notifications(world, 1)
  assert.equal(dsn?.perRecipient[0]?.get('Diagnostic-Code'), 'smtp; 551 5.1.6 try <gr?n@example.test>')
  assert.match(dsn?.message.content.toString('latin1') ?? '', /^\p{ASCII}*$/u)
  assert.deepEqual(world.eventsOf('dsn-downgraded'), [])
})

test('DSN-15: RET=FULL of an 8-bit message: whole to a host with 8BITMIME, its header section to one without', async () => {
  covers('DSN-15', { observe: 'smtp' })
  const content = 'From: <alice@sender.test>\r\nSubject: lab\r\nMIME-Version: 1.0\r\n\r\nschöner Text\r\n'
  for (const [missing, type] of [
    [[], 'message/rfc822'],
    [['8BITMIME', 'SMTPUTF8'], 'text/rfc822-headers'],
  ] as const) {
    await using world = await start(missing)
    await world.submit({ to: ['bob@example.test'], content, envelope: { body: '8bitmime', dsn: { ret: 'FULL' } } })
    const [dsn] = await notifications(world, 1)
    assert.equal(dsn?.parts[2]?.type, type)
    assert.equal(/BODY=8BITMIME/.test(dsn?.message.mail ?? ''), missing.length === 0)
    assert.equal(dsn?.parts[2]?.body.includes('schöner Text'), missing.length === 0)
  }
})

test('a sender with a UTF-8 address whose host has no SMTPUTF8 cannot be told; that is counted', async () => {
  await using world = await start(['SMTPUTF8'])
  await world.submit({ from: 'jörg@sender.test', to: ['bob@example.test'], envelope: INTERNATIONAL, content: CONTENT })
  await world.until(() => world.eventsOf('failure-not-reported').length === 1)
  assert.deepEqual(world.mx(SENDER_HOST).messages, [])
  await emptied(world)
})
