/** The SMTP dialogue on the wire: replies, grammar, limits of the envelope (RFC 5321 §4, RFC 6409 §4). */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createTransport } from 'nodemailer'
import { covers } from '../../../../test/conformance/covers.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { type Fixture, HOSTNAME, MESSAGE, startFixture, submit } from './listener.fixture.ts'

let fixture: Fixture

before(async () => {
  fixture = await startFixture()
})
after(() => fixture.close())

async function inTransaction(mail = 'MAIL FROM:<a@example.com>'): Promise<Awaited<ReturnType<Fixture['ready']>>> {
  const dialogue = await fixture.ready()
  const reply = await dialogue.command(mail)
  assert.equal(reply.code, 250, reply.text)
  return dialogue
}

describe('greeting and EHLO', () => {
  test('a submission listener greets at once', async () => {
    const waits: number[] = []
    for (let session = 0; session < 5; session += 1) {
      const startedAt = performance.now()
      const dialogue = await fixture.open()
      assert.equal((await dialogue.reply())?.text, `220 ${HOSTNAME} ESMTP Hermetic`)
      waits.push(performance.now() - startedAt)
      await dialogue.quit()
    }
    assert(Math.min(...waits) < 90, 'the library alone waits 100 ms each time')
  })

  test('EXT-21, EAI-07: EHLO offers what RFC 6409 §7 wants and what SMTPUTF8 needs, and nothing that is not honoured', async () => {
    covers('EAI-07', { observe: 'smtp' })
    const dialogue = await fixture.open()
    await dialogue.reply()
    const { lines } = await dialogue.command('EHLO client.example.net')
    assert.deepEqual(
      lines.map((line) => line.slice(4)),
      [HOSTNAME, 'PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'SIZE 52428800'],
    )
    await dialogue.quit()
  })

  test('a client that greets with HELO is served, and its trace says SMTP', async () => {
    const dialogue = await fixture.open()
    await dialogue.reply()
    assert.deepEqual((await dialogue.command('HELO client.example.net')).lines, [`250 ${HOSTNAME}`])
    assert.match(await submit(dialogue), /^250 /)
    assert.match(fixture.accepted.at(-1)?.text ?? '', /\r\n\tby relay\.example\.com with SMTP id /)
    await dialogue.quit()
  })
})

describe('commands out of order or out of shape', () => {
  for (const [rule, lines, reply] of [
    ['an unknown command', ['FOO'], '500 5.5.1'],
    ['the joke commands of the library', ['WIZ x', 'SHELL', 'KILL'], '500 5.5.1'],
    ['XCLIENT', ['XCLIENT ADDR=192.0.2.1'], '500 5.5.1'],
    ['EXPN', ['EXPN staff'], '502 5.5.1'],
    ['VRFY', ['VRFY a@example.com'], '252 2.0.0'],
    ['RCPT before MAIL', ['RCPT TO:<b@example.net>'], '503 5.5.1'],
    ['DATA before MAIL', ['DATA'], '503 5.5.1'],
    ['MAIL inside a transaction', ['MAIL FROM:<a@example.com>', 'MAIL FROM:<a@example.com>'], '503 5.5.1'],
    ['DATA without recipients', ['MAIL FROM:<a@example.com>', 'DATA'], '503 5.5.1'],
    ['RCPT behind RSET', ['MAIL FROM:<a@example.com>', 'RSET', 'RCPT TO:<b@example.net>'], '503 5.5.1'],
    ['DATA with an argument', ['DATA now'], '501 5.5.4'],
    ['STARTTLS on a listener without TLS', ['STARTTLS'], '502 5.5.1'],
    ['an empty line', [''], '500 5.5.1'],
  ] as const) {
    test(`${rule}: ${reply}, and the session lives`, async () => {
      const dialogue = await fixture.ready()
      let last = ''
      for (const line of lines) last = (await dialogue.command(line)).text
      assert.equal(last.slice(0, 9), reply)
      assert.equal((await dialogue.command('NOOP')).code, 250)
      await dialogue.quit()
    })
  }

  test('mail commands before EHLO: 503', async () => {
    const dialogue = await fixture.open()
    await dialogue.reply()
    assert.match((await dialogue.command('MAIL FROM:<a@example.com>')).text, /^503 5\.5\.1 /)
    await dialogue.quit()
  })

  test('octets that are neither ASCII nor UTF-8: 500, and the session lives', async () => {
    const dialogue = await fixture.ready()
    dialogue.send(Buffer.from('MAIL FROM:<\xfc@example.com> SMTPUTF8\r\n', 'latin1'))
    assert.match((await dialogue.reply())?.text ?? '', /^500 5\.5\.2 /)
    await dialogue.quit()
  })
})

describe('addresses in MAIL and RCPT', () => {
  test('SMTP-18: local parts keep their case, and quoted and unquoted forms of one address are one recipient', async () => {
    const dialogue = await inTransaction()
    for (const to of ['b@example.net', 'B@Example.NET', '"b"@example.net', '"a b"@example.net', '"\\b"@example.net']) {
      assert.match((await dialogue.command(`RCPT TO:<${to}>`)).text, /^250 2\.1\.5 /)
    }
    await dialogue.command('DATA')
    dialogue.send(`${MESSAGE}.\r\n`)
    assert.match((await dialogue.reply())?.text ?? '', /^250 /)
    assert.deepEqual(
      fixture.accepted.at(-1)?.recipients.map(({ index, address }) => [index, formatAddress(address)]),
      [
        [0, 'b@example.net'],
        [1, 'B@example.net'],
        [2, '"a b"@example.net'],
      ],
    )
    await dialogue.quit()
  })

  test('SMTP-19, SUB-11: unqualified names are refused with 5.1.x in both paths', async () => {
    covers(['SMTP-19', 'SUB-11'], { observe: 'smtp' })
    const dialogue = await fixture.ready()
    assert.match((await dialogue.command('MAIL FROM:<a@host>')).text, /^501 5\.1\.8 /)
    assert.match((await dialogue.command('MAIL FROM:<postmaster>')).text, /^501 5\.1\.8 /)
    await dialogue.command('MAIL FROM:<a@example.com>')
    assert.match((await dialogue.command('RCPT TO:<u@host>')).text, /^501 5\.1\.2 /)
    assert.match((await dialogue.command('RCPT TO:<u>')).text, /^501 5\.1\.2 /)
    await dialogue.quit()
  })

  test('SUB-13: bad address syntax: 501', async () => {
    covers('SUB-13', { observe: 'smtp' })
    const dialogue = await fixture.ready()
    for (const path of ['<a b@x>', '<a@@example.com>', 'a@example.com', '<a@example.com', '<a@ex ample.com>']) {
      assert.equal((await dialogue.command(`MAIL FROM:${path}`)).code, 501, path)
    }
    await dialogue.command('MAIL FROM:<a@example.com>')
    assert.match((await dialogue.command('RCPT TO:<>')).text, /^501 5\.1\.3 /)
    await dialogue.quit()
  })

  test('SMTP-26: a local part of 64 octets, a path of 256 and a command line over 512 are taken', async () => {
    covers('SMTP-26', { observe: 'smtp' })
    const local = 'l'.repeat(64)
    const domain = `${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(61)}`
    const path = `<${local}@${domain}>`
    assert.equal(path.length, 256)
    const dialogue = await inTransaction(`MAIL FROM:${path} SIZE=1000 BODY=8BITMIME SMTPUTF8`)
    assert.match(
      (await dialogue.command(`RCPT TO:<@${'r'.repeat(60)}.example,@${'r'.repeat(60)}.example:b@example.net>`)).text,
      /^250 /,
    )
    await dialogue.command('RSET')
    assert.equal((await dialogue.command(`NOOP ${'x'.repeat(1031)}`)).code, 250)
    assert.match((await dialogue.command(`MAIL FROM:<${'l'.repeat(65)}@example.com>`)).text, /^501 5\.1\.7 /)
    await dialogue.quit()
  })

  test('EAI-06: a MAIL line of 522 octets with SMTPUTF8 is taken', async () => {
    covers('EAI-06', { observe: 'smtp' })
    const dialogue = await fixture.ready()
    const line = 'MAIL FROM:<δοκιμή@bücher.example> SMTPUTF8'
    const padding = ' '.repeat(520 - Buffer.byteLength(line))
    assert.match(
      (await dialogue.command(line.replace(' SMTPUTF8', `${padding} SMTPUTF8`).replace(/ $/, ''))).text,
      /^250 2\.1\.0 /,
    )
    await dialogue.quit()
  })

  test('RFC 6531 §3.5: a non-ASCII address without SMTPUTF8: 553 5.6.7', async () => {
    const dialogue = await inTransaction()
    assert.match((await dialogue.command('RCPT TO:<b@bücher.example>')).text, /^553 5\.6\.7 /)
    await dialogue.quit()
  })

  test('EAI-02: SMTPUTF8 is kept only when address or header need it; U-labels do not', async () => {
    const dialogue = await fixture.ready()
    const flags: (boolean | undefined)[] = []
    for (const [from, content] of [
      ['a@example.com', MESSAGE],
      ['a@bücher.example', MESSAGE],
      ['δοκιμή@example.com', MESSAGE],
      ['a@example.com', MESSAGE.replace('test', 'grüße')],
    ] as const) {
      assert.match(await submit(dialogue, { mail: `MAIL FROM:<${from}> SMTPUTF8`, content }), /^250 /)
      flags.push(fixture.accepted.at(-1)?.envelope.smtpUtf8)
    }
    assert.deepEqual(flags, [false, false, true, true])
    assert.match(fixture.accepted.at(-1)?.text ?? '', /with UTF8SMTP id /)
    await dialogue.quit()
  })

  test('SMTP-72: postmaster is accepted bare and at our name, in any case, and goes where the settings say', async () => {
    covers('SMTP-72', { observe: 'smtp' })
    const dialogue = await fixture.ready()
    for (const to of ['Postmaster', 'postMASTER@relay.example.com', 'POSTMASTER']) {
      assert.match(await submit(dialogue, { to: [to] }), /^250 /)
      assert.deepEqual(
        fixture.accepted.at(-1)?.recipients.map(({ address }) => formatAddress(address)),
        ['postmaster@example.com'],
      )
    }
    await dialogue.quit()
  })

  test('SUB-12: the null reverse-path is no reason to refuse', async () => {
    covers('SUB-12', { observe: 'smtp' })
    const dialogue = await inTransaction('MAIL FROM:<>')
    assert.equal((await dialogue.command('RCPT TO:<b@example.net>')).code, 250)
    await dialogue.quit()
  })
})

describe('parameters', () => {
  for (const [mail, reply] of [
    ['FOO=BAR', '555 5.5.4'],
    ['BY=10;R', '555 5.5.4'],
    ['HOLDFOR=10', '555 5.5.4'],
    ['REQUIRETLS', '555 5.5.4'],
    ['RET=FULL', '555 5.5.4'],
    ['SIZE=1 SIZE=1', '501 5.5.4'],
    ['BODY=9BIT', '501 5.5.4'],
  ] as const) {
    test(`MAIL with ${mail}: ${reply}`, async () => {
      const dialogue = await fixture.ready()
      assert.equal((await dialogue.command(`MAIL FROM:<a@example.com> ${mail}`)).text.slice(0, 9), reply)
      await dialogue.quit()
    })
  }

  test('DSN-18: where DSN is offered its parameters are kept as received, and bad ones get 501', async () => {
    covers('DSN-18', { observe: 'smtp' })
    const offering = await startFixture({ advertise: { dsn: true } })
    const dialogue = await offering.ready()
    assert(dialogue.replies.some(({ lines }) => lines.includes('250 DSN')))
    for (const bad of ['RET=HDRS RET=HDRS', 'RET=ALL', 'ENVID=a+', `ENVID=${'x'.repeat(101)}`]) {
      assert.match((await dialogue.command(`MAIL FROM:<a@example.com> ${bad}`)).text, /^501 5\.5\.4 /, bad)
    }
    await dialogue.command(`MAIL FROM:<a@example.com> RET=HDRS ENVID=${'Q'.repeat(100)}`)
    assert.equal(
      (await dialogue.command('RCPT TO:<b@example.net> NOTIFY=ALWAYS')).text,
      '501 5.5.4 Syntax: NOTIFY=NEVER, or any of SUCCESS,FAILURE,DELAY',
    )
    for (const bad of ['NOTIFY=NEVER,DELAY', 'ORCPT=b', 'ORCPT=rfc822;a=b']) {
      assert.match((await dialogue.command(`RCPT TO:<b@example.net> ${bad}`)).text, /^501 5\.5\.4 /, bad)
    }
    const orcpt = `rfc822;${'X+2B'.repeat(120)}@Example.NET`
    assert.match((await dialogue.command(`RCPT TO:<b@example.net> NOTIFY=FAILURE,DELAY ORCPT=${orcpt}`)).text, /^250 /)
    await dialogue.command('DATA')
    dialogue.send(`${MESSAGE}.\r\n`)
    assert.match((await dialogue.reply())?.text ?? '', /^250 /)
    assert.deepEqual(offering.accepted[0]?.envelope.dsn, { envid: 'Q'.repeat(100), ret: 'HDRS' })
    assert.deepEqual(offering.accepted[0]?.recipients[0]?.notify, ['FAILURE', 'DELAY'])
    assert.equal(offering.accepted[0]?.recipients[0]?.orcpt, orcpt)
    await dialogue.quit()
    await offering.close()
  })
})

describe('size and number', () => {
  test('EXT-05: SIZE over the limit is refused at MAIL; a small SIZE does not end a longer message', async () => {
    covers('EXT-05', { observe: 'smtp' })
    const small = await startFixture({ limits: { messageBytesMax: 100_000 } })
    const dialogue = await small.ready()
    assert(dialogue.replies.some(({ lines }) => lines.includes('250 SIZE 100000')))
    assert.match((await dialogue.command('MAIL FROM:<a@example.com> SIZE=100001')).text, /^552 5\.3\.4 /)
    assert.match((await dialogue.command('MAIL FROM:<a@example.com> SIZE=99999999999999999999')).text, /^552 5\.3\.4 /)
    const body = 'x'.repeat(70).concat('\r\n').repeat(100)
    assert.match(
      await submit(dialogue, { mail: 'MAIL FROM:<a@example.com> SIZE=10', content: MESSAGE + body }),
      /^250 /,
    )
    assert.equal(small.accepted[0]?.text.endsWith(body), true)
    assert.match(await submit(dialogue, { content: MESSAGE + body.repeat(20) }), /^552 5\.3\.4 /)
    assert.match(await submit(dialogue), /^250 /)
    assert.equal(small.discarded(), 1)
    await dialogue.quit()
    await small.close()
  })

  test('SMTP-27: 64 KiB of content and 100 recipients are taken; over the configured number: 452 4.5.3', async () => {
    covers('SMTP-27', { observe: 'smtp' })
    const bounded = await startFixture({ limits: { recipientsMax: 100 } })
    const dialogue = await bounded.ready()
    await dialogue.command('MAIL FROM:<a@example.com>')
    dialogue.send(Array.from({ length: 101 }, (_, index) => `RCPT TO:<r${index}@example.net>\r\n`).join(''))
    for (let index = 0; index < 100; index += 1) assert.match((await dialogue.reply())?.text ?? '', /^250 2\.1\.5 /)
    assert.match((await dialogue.reply())?.text ?? '', /^452 4\.5\.3 /)
    await dialogue.command('DATA')
    dialogue.send(`${MESSAGE}${'y'.repeat(62).concat('\r\n').repeat(1024)}.\r\n`)
    assert.match((await dialogue.reply())?.text ?? '', /^250 /)
    assert.equal(bounded.accepted[0]?.recipients.length, 100)
    assert((bounded.accepted[0]?.octets.length ?? 0) > 65_536)
    await dialogue.quit()
    await bounded.close()
  })

  test('SUB-23, EXT-13: a line of 1200 octets: 550 5.6.0; NUL: 550 5.6.0', async () => {
    covers(['SUB-23', 'EXT-13'], { observe: 'smtp' })
    const dialogue = await fixture.ready()
    assert.match(await submit(dialogue, { content: `${MESSAGE}${'x'.repeat(1200)}\r\n` }), /^550 5\.6\.0 /)
    assert.match(await submit(dialogue, { content: `${MESSAGE}a\0b\r\n` }), /^550 5\.6\.0 /)
    assert.match(await submit(dialogue, { content: `${MESSAGE}${'x'.repeat(998)}\r\n` }), /^250 /)
    await dialogue.quit()
  })

  test('SMTP-63: 101 Received fields: 554 5.4.6; 100 pass', async () => {
    covers('SMTP-63', { observe: 'smtp' })
    const dialogue = await fixture.ready()
    const received = 'Received: from a by b; Sun, 22 Nov 2026 08:37:00 +0000\r\n'
    assert.match(await submit(dialogue, { content: received.repeat(101) + MESSAGE }), /^554 5\.4\.6 /)
    assert.match(await submit(dialogue, { content: received.repeat(100) + MESSAGE }), /^250 /)
    await dialogue.quit()
  })

  test('SUB-19: every field that may occur once is refused when it occurs twice', async () => {
    covers('SUB-19', { observe: 'smtp' })
    const dialogue = await fixture.ready()
    for (const name of [
      'From',
      'Date',
      'Subject',
      'To',
      'Sender',
      'Reply-To',
      'Cc',
      'Message-ID',
      'In-Reply-To',
      'References',
    ]) {
      const twice = `${name}: x@example.com\r\n${MESSAGE.includes(`${name}:`) ? '' : `${name}: x@example.com\r\n`}`
      assert.match(await submit(dialogue, { content: twice + MESSAGE }), /^550 5\.6\.0 /, name)
    }
    assert.match(await submit(dialogue, { content: MESSAGE.replace(/^From: .*\r\n/, '') }), /^550 5\.6\.0 /)
    await dialogue.quit()
  })
})

test('nodemailer as a client: a message with everything arrives as composed', async () => {
  const transport = createTransport({
    host: '127.0.0.1',
    port: fixture.port,
    secure: false,
    ignoreTLS: true,
    name: 'client.example.net',
  })
  const text = 'Zeile mit Umlaut: grüße\n.\n..punkte\n'.repeat(50)
  await transport.sendMail({
    from: 'a@example.com',
    to: ['b@example.net', 'c@example.net'],
    bcc: 'secret@example.net',
    subject: 'grüße',
    text,
    textEncoding: 'quoted-printable',
  })
  transport.close()
  const message = fixture.accepted.at(-1)
  assert.equal(message?.recipients.length, 3)
  assert.equal(message?.text.includes('secret@example.net'), false)
  assert.equal(message?.text.includes('\r\n.\r\n..punkte\r\n'), true)
  assert.equal(message?.envelope.body, '7bit')
})
