/**
 * What a submitted message looks like on the next hop's wire: a real listener, the real spool and delivery, a
 * scripted mail exchanger. The rules of submission and relay are about what leaves, not about what is stored.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import type { ReceivedMessage as Arrived } from '../../../../test/lab/mx-script.ts'
import { RelayWorld } from '../../../../test/lab/relay-world.ts'
import { laneFor } from '../delivery/routing.ts'
import { messageAcceptor } from './accept.ts'
import { type Fixture, type FixtureOptions, startFixture, submit, USERNAME } from './listener.fixture.ts'

const MX = 'mx.example.test'

let world: RelayWorld
let submission: Fixture
let relay: Fixture

before(async () => {
  world = await RelayWorld.start({ hosts: { [MX]: {} }, mx: { 'example.test': [[10, MX]] } })
  submission = await into({ listener: { tls: 'implicit' } })
  relay = await into({ listener: { kind: 'relay' }, limits: { earlyTalkerDelayMs: 0 } })
})
after(async () => {
  await submission.close()
  await relay.close()
  await world[Symbol.asyncDispose]()
})

function into(options: FixtureOptions): Promise<Fixture> {
  return startFixture({
    ...options,
    stage: (id) => world.spool.stage(id),
    accept: messageAcceptor({
      spool: world.spool,
      laneFor: (mail) => laneFor(mail, { port: world.port }),
      maxAgeMs: 60_000,
      onAccepted: (lanes) => {
        for (const lane of lanes) world.scheduler.wake(lane)
      },
    }),
  })
}

interface Sent {
  readonly content: string
  readonly from?: string
  readonly to?: readonly string[]
  readonly mail?: string
}

/** The message as the next hop got it. */
async function onward(
  fixture: Fixture,
  { to = ['bob@example.test'], ...message }: Sent,
): Promise<Arrived & { readonly text: string }> {
  const { messages } = world.mx(MX)
  const count = messages.length
  const dialogue = await fixture.ready()
  const reply = await submit(dialogue, { ...message, to })
  assert.match(reply, /^250 /)
  await dialogue.quit()
  await world.until(() => messages.length > count)
  const arrived = messages[count]
  assert(arrived !== undefined)
  return { ...arrived, text: arrived.content.toString('latin1') }
}

/** Without the trace field that we put on top. */
function below(text: string): string {
  return text.replace(/^Received: (?:.*\r\n[ \t])*.*\r\n/, '')
}

const FIELDS = 'From: a@example.com\r\nDate: Sun, 22 Nov 2026 08:37:00 +0000\r\nMessage-ID: <1@example.com>\r\n'

describe('addresses on the next wire', () => {
  test('SMTP-17, SMTP-18, SUB-27: source routes are gone, local parts are as they came, with the least quoting', async () => {
    covers(['SMTP-17', 'SMTP-18', 'SUB-27'], { observe: 'smtp' })
    const { mail, recipients } = await onward(relay, {
      mail: 'MAIL FROM:<@a.example,@b.example:"u"@D.example>',
      to: ['@a.example:CaSe@example.test', '"a b"@example.test', '"x"@EXAMPLE.test', "o'b+tag=1@example.test"],
      content: `${FIELDS}\r\nx\r\n`,
    })
    assert.match(mail, /^MAIL FROM:<u@d\.example>/)
    assert.deepEqual(
      recipients.map(({ line }) => /^RCPT TO:<(.*)>/.exec(line)?.[1]),
      ['CaSe@example.test', '"a b"@example.test', 'x@example.test', "o'b+tag=1@example.test"],
    )
  })

  test('SMTP-21: two recipients, no FOR clause and no recipient anywhere in the content', async () => {
    covers('SMTP-21', { observe: 'smtp' })
    const one = await onward(submission, { content: `${FIELDS}\r\nx\r\n` })
    assert.match(one.text, /\r\n\tfor <bob@example\.test>\r\n/)
    const two = await onward(submission, {
      content: `${FIELDS}\r\nx\r\n`,
      to: ['bob@example.test', 'eve@example.test'],
    })
    assert.equal(two.text.includes('example.test'), false)
  })
})

describe('what submission repairs', () => {
  test('SUB-09, SMTP-64: one Received on top, with client, protocol, id, cipher suite and numeric zone', async () => {
    covers(['SUB-09', 'SMTP-64'], { observe: 'smtp' })
    const { text } = await onward(submission, { content: `${FIELDS}\r\nx\r\n` })
    assert.match(
      text,
      /^Received: from client\.example\.net \(\[127\.0\.0\.1\]\)\r\n\tby relay\.example\.com with ESMTPSA id [0-9a-f-]{36}\r\n\tfor <bob@example\.test>\r\n\ttls TLS_[A-Z0-9_]+;\r\n\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\nFrom: /,
    )
    assert.equal(text.match(/^Received:/gm)?.length, 1)
    const relayed = await onward(relay, { content: `${FIELDS}\r\nx\r\n` })
    assert.match(relayed.text, /\r\n\tby relay\.example\.com with ESMTP id /)
  })

  test('SUB-17, SUB-18: missing Message-ID and Date are added, valid ones are untouched', async () => {
    covers(['SUB-17', 'SUB-18'], { observe: 'smtp' })
    const bare = await onward(submission, { content: 'From: a@example.com\r\n\r\nx\r\n' })
    assert.match(
      bare.text,
      /\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\nMessage-ID: <[0-9a-f-]{36}@relay\.example\.com>\r\n\r\nx\r\n$/,
    )
    const whole = await onward(submission, { content: `${FIELDS}\r\nx\r\n` })
    assert.equal(below(whole.text), `${FIELDS}\r\nx\r\n`)
    const invalid = await onward(submission, { content: `${FIELDS.replace('<1@example.com>', '12 34')}\r\nx\r\n` })
    assert.equal(invalid.text.includes('12 34'), false)
    assert.equal(invalid.text.match(/^Message-ID:/gim)?.length, 1)
  })

  test('SUB-21, SUB-22: Return-Path and Bcc do not leave; the Bcc recipient gets the message', async () => {
    covers(['SUB-21', 'SUB-22'], { observe: 'smtp' })
    const { text, recipients } = await onward(submission, {
      content: `Return-Path: <old@example.com>\r\n${FIELDS}Bcc: hidden@example.test,\r\n also@example.test\r\nTo: bob@example.test\r\n\r\nx\r\n`,
      to: ['bob@example.test', 'hidden@example.test'],
    })
    assert.equal(below(text), `${FIELDS}To: bob@example.test\r\n\r\nx\r\n`)
    assert.deepEqual(
      recipients.map(({ address }) => address),
      ['bob@example.test', 'hidden@example.test'],
    )
  })

  test('SUB-20: several From mailboxes without Sender get one that names the reverse-path', async () => {
    covers('SUB-20', { observe: 'smtp' })
    const { text } = await onward(submission, {
      content: `${FIELDS.replace('a@example.com', 'a@example.com, b@example.com')}\r\nx\r\n`,
      from: 'app@example.com',
    })
    assert.match(text, /\r\nSender: app@example\.com\r\n\r\nx/)
  })

  test('SMTP-65, SUB-25: old trace and Resent fields stay, byte for byte and in order, below ours', async () => {
    covers(['SMTP-65', 'SUB-25'], { observe: 'smtp' })
    const trace =
      'Received: from b by c;\r\n\tMon, 1 Jan 2024 00:00:00 -0800 (PST)\r\nResent-From: r@example.com\r\nreceived:from a by b ;  odd\r\nResent-Date: x\r\n'
    for (const fixture of [submission, relay]) {
      const { text } = await onward(fixture, { content: `${trace}${FIELDS}\r\nx\r\n` })
      assert.equal(below(text), `${trace}${FIELDS}\r\nx\r\n`)
    }
  })

  test('SUB-28: neither the account nor anything of ours but the trace field leaves', async () => {
    covers('SUB-28', { observe: 'smtp' })
    const { text, mail } = await onward(submission, { content: `${FIELDS}\r\nx\r\n`, from: 'a@example.com' })
    assert.equal(`${text}${mail}`.includes(USERNAME), false)
    assert.equal(/^X-/im.test(text), false)
  })

  test('SUB-16: what leaves is lines of at most 998 octets that end with CRLF, one From, one Date, and no more than was offered', async () => {
    covers('SUB-16', { observe: 'smtp' })
    const { text, mail } = await onward(submission, {
      mail: 'MAIL FROM:<a@example.com> BODY=8BITMIME SMTPUTF8',
      content: `MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nFrom: a@example.com\r\n\r\ngrüße ${'x'.repeat(980)}\r\n`,
    })
    assert.equal(/(?<!\r)\n|\r(?!\n)|\0/.test(text), false)
    assert(text.split('\r\n').every((line) => line.length <= 998))
    for (const name of ['From', 'Date', 'Message-ID'])
      assert.equal(text.match(new RegExp(`^${name}:`, 'gm'))?.length, 1, name)
    assert.match(mail, / BODY=8BITMIME/)
    assert.equal(mail.includes('SMTPUTF8'), false)
  })
})

describe('long lines', () => {
  test('SMTP-25, EXT-13: a line of 998 octets arrives as it was sent; 999 are refused with 550 5.6.0', async () => {
    covers(['SMTP-25', 'EXT-13'], { observe: 'smtp' })
    const longest = `${FIELDS}X-Long: ${'h'.repeat(990)}\r\n\r\n${'x'.repeat(998)}\r\n.${'y'.repeat(997)}\r\n`
    for (const fixture of [submission, relay]) {
      const { text } = await onward(fixture, { content: longest.replace('\r\n.', '\r\n..') })
      assert.equal(below(text), longest)
      const dialogue = await fixture.ready()
      for (const content of [longest.replace('xx', 'xxx'), longest.replace('hh', 'hhh')]) {
        assert.match(await submit(dialogue, { content, to: ['bob@example.test'] }), /^550 5\.6\.0 /)
      }
      await dialogue.quit()
    }
  })
})

describe('what a relay leaves alone', () => {
  const defective =
    'Bcc: hidden@example.test\r\nReturn-Path: <x@example.com>\r\nSubject: a\r\nSubject: b\r\nX-Odd  : \t folded\r\n\tline  \r\n\r\n.\r\n..two\r\n \r\nend\r\n\r\n'

  test('SMTP-66, SUB-26: a defective message is relayed byte for byte below our Received; submission refuses it', async () => {
    covers(['SMTP-66', 'SUB-26'], { observe: 'smtp' })
    // On the wire to us dots are stuffed.
    const stuffed = defective.replace(/^\./gm, '..')
    const { text } = await onward(relay, { content: stuffed })
    assert.equal(below(text), defective)
    const dialogue = await submission.ready()
    assert.match(await submit(dialogue, { content: stuffed }), /^550 5\.6\.0 /)
    await dialogue.quit()
  })
})
