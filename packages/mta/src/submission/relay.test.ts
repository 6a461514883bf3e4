/** Who may relay, what a relay listener leaves alone, and the trace field (RFC 5321 §4.4, §6.4, §7.9). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { authPlain, MESSAGE, SECRET, startFixture, submit, USERNAME } from './listener.fixture.ts'

const quick = { earlyTalkerDelayMs: 0 }

describe('SMTP-73: never an open relay', () => {
  test('SMTP-73: a client outside the allowed networks relays nothing, however it writes the recipient', async () => {
    covers('SMTP-73', { observe: 'smtp' })
    for (const kind of ['relay', 'submission'] as const) {
      const fixture = await startFixture({
        listener: { kind, allowNetworks: ['192.0.2.0/24', '2001:db8::/32'] },
        limits: quick,
      })
      const dialogue = await fixture.ready()
      const codes = new Set<string>()
      for (const from of ['a@example.com', '', 'postmaster@relay.example.com', 'a@[127.0.0.1]']) {
        const mail = await dialogue.command(`MAIL FROM:<${from}>`)
        if (mail.code !== 250) {
          codes.add(mail.text.slice(0, 9))
          continue
        }
        for (const to of [
          'b@example.net',
          'postmaster',
          'postmaster@relay.example.com',
          '@relay.example.com:b@example.net',
          'b%example.net@relay.example.com',
          '"b@example.net"@relay.example.com',
          'b@[127.0.0.1]',
        ]) {
          codes.add((await dialogue.command(`RCPT TO:<${to}>`)).text.slice(0, 9))
        }
        await dialogue.command('RSET')
      }
      assert.deepEqual([...codes], [kind === 'relay' ? '554 5.7.1' : '530 5.7.0'])
      assert.equal(fixture.accepted.length, 0)
      await dialogue.quit()
      await fixture.close()
    }
  })

  test('SMTP-73: no network and no account: nobody relays', async () => {
    covers('SMTP-73', { observe: 'smtp' })
    const fixture = await startFixture({
      listener: { kind: 'relay', allowNetworks: [] },
      credentials: [],
      limits: quick,
    })
    const dialogue = await fixture.ready()
    assert.match(await submit(dialogue), /^554 5\.7\.1 /)
    await dialogue.quit()
    await fixture.close()
  })

  test('SMTP-73: where authentication is required an allowed network is not enough', async () => {
    covers('SMTP-73', { observe: 'smtp' })
    const fixture = await startFixture({
      listener: { kind: 'relay', tls: 'starttls', requireAuth: true },
      limits: quick,
    })
    const dialogue = await fixture.open()
    await dialogue.reply()
    await dialogue.command('EHLO client.example.net')
    assert.match((await dialogue.command('MAIL FROM:<a@example.com>')).text, /^530 5\.7\.0 /)
    await dialogue.startTls(fixture.ca)
    await dialogue.command('EHLO client.example.net')
    assert.equal((await dialogue.command(authPlain(USERNAME, SECRET))).code, 235)
    assert.match(await submit(dialogue), /^250 /)
    await dialogue.quit()
    await fixture.close()
  })
})

describe('a relay listener', () => {
  test('stores what it got byte for byte, with one trace field on top; submission repairs the same message', async () => {
    const broken =
      'Return-Path: <x@example.com>\r\nReceived: from a by b; x\r\nX-Odd  : \t folded\r\n\tline  \r\nBcc: hidden@example.net\r\nFrom: a@example.com\r\n\r\nbody \r\n..\r\n\r\n\r\n'
    const wire = broken.replace('\r\n..\r\n', '\r\n...\r\n')
    const stored: string[] = []
    for (const kind of ['relay', 'submission'] as const) {
      const fixture = await startFixture({ listener: { kind }, limits: quick })
      const dialogue = await fixture.ready()
      assert.match(await submit(dialogue, { content: wire }), /^250 /)
      stored.push(fixture.accepted[0]?.text ?? '')
      await dialogue.quit()
      await fixture.close()
    }
    const [relayed = '', submitted = ''] = stored.map((text) => text.replace(/^Received: (?:.*\r\n[ \t])*.*\r\n/, ''))
    assert.equal(relayed, broken)
    assert.match(
      submitted,
      /^Received: from a by b; x\r\nX-Odd {2}: \t folded\r\n\tline {2}\r\nFrom: a@example\.com\r\nDate: [^\r]+ \+0000\r\nMessage-ID: <[0-9a-f-]{36}@relay\.example\.com>\r\n\r\nbody \r\n\.\.\r\n\r\n\r\n$/,
    )
  })

  test('refuses 8-bit content that is not MIME, like submission', async () => {
    for (const kind of ['relay', 'submission'] as const) {
      const fixture = await startFixture({ listener: { kind }, limits: quick })
      const dialogue = await fixture.ready()
      const eightBit = (header: string): Buffer => Buffer.from(`${header}${MESSAGE}grüße\r\n`)
      assert.match(
        await submit(dialogue, { mail: 'MAIL FROM:<a@example.com> BODY=8BITMIME', content: eightBit('') }),
        /^550 5\.6\.0 /,
      )
      assert.match(await submit(dialogue, { content: eightBit('MIME-Version: 1.0\r\n') }), /^250 /)
      assert.equal(fixture.accepted[0]?.envelope.body, '8bitmime')
      assert.match(await submit(dialogue, { mail: 'MAIL FROM:<a@example.com> BODY=8BITMIME' }), /^250 /)
      assert.equal(fixture.accepted[1]?.envelope.body, '7bit')
      await dialogue.quit()
      await fixture.close()
    }
  })

  test('waits before it greets, and refuses who talks earlier', async () => {
    const fixture = await startFixture({ listener: { kind: 'relay' }, limits: { earlyTalkerDelayMs: 60_000 } })
    const dialogue = await fixture.open()
    dialogue.send('EHLO client.example.net\r\n')
    assert.deepEqual(
      (await dialogue.rest()).map(({ code }) => code),
      [554],
    )
    assert(fixture.events.some((event) => event.event === 'session-refused' && event.reason === 'early-talker'))
    await fixture.close()
  })
})

describe('RFC 5321 §4.4: the trace field', () => {
  const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
  const DOMAIN = '[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)*'
  const LITERAL = '\\[(?:IPv6:)?[0-9A-Fa-f.:]+\\]'
  const STAMP = new RegExp(
    `^Received: from (?:${DOMAIN}|${LITERAL}) \\(${LITERAL}\\)(?: \\(helo [^()]+\\))?\r\n` +
      `\tby (?:${DOMAIN}|${LITERAL} \\(${LITERAL}\\)) with (?:UTF8SMTP|ESMTP|SMTP)S?A? id ${ATOM}` +
      `(?:\r\n\tfor <[^>]+>)?(?:\r\n\ttls [A-Z0-9_]+)?;\r\n` +
      `\t(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \\d\\d [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d \\+0000\r\n`,
  )

  for (const [rule, ehlo, hostname, expected] of [
    ['a domain', 'EHLO client.example.net', undefined, /^Received: from client\.example\.net \(\[127\.0\.0\.1\]\)/],
    ['a literal', 'EHLO [192.0.2.7]', undefined, /^Received: from \[192\.0\.2\.7\] \(\[127\.0\.0\.1\]\)/],
    ['a Windows name', 'EHLO MY_PC', undefined, /^Received: from \[127\.0\.0\.1\] \(\[127\.0\.0\.1\]\) \(helo MY_PC\)/],
    ['a hostile name', 'EHLO a;b(c)"d', undefined, /\(helo a\?b\?c\?\?d\)/],
    ['our name as a literal', 'EHLO a.example', '[192.0.2.1]', /\r\n\tby \[192\.0\.2\.1\] \(\[192\.0\.2\.1\]\) with /],
  ] as const) {
    test(`has the grammar of a stamp for ${rule}`, async () => {
      const fixture = await startFixture(hostname === undefined ? {} : { hostname })
      const dialogue = await fixture.open()
      await dialogue.reply()
      assert.equal((await dialogue.command(ehlo)).code, 250)
      assert.match(await submit(dialogue), /^250 /)
      assert.match(await submit(dialogue, { to: ['b@example.net', 'c@example.net'] }), /^250 /)
      const [one, two] = fixture.accepted.map(({ text }) => text)
      assert.match(one ?? '', STAMP)
      assert.match(one ?? '', expected)
      assert.match(one ?? '', /\r\n\tfor <b@example\.net>;/)
      assert.match(two ?? '', STAMP)
      assert.equal(/\bfor </.test(two ?? ''), false, 'RFC 5321 §7.2: no FOR for several recipients')
      await dialogue.quit()
      await fixture.close()
    })
  }
})
