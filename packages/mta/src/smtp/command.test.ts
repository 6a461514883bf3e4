import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { HELO_CAPABILITIES } from './capabilities.ts'
import { address, mail } from './client.samples.ts'
import { helloCommand, mailCommand, rcptCommand } from './command.ts'
import type { MailAddress } from './mail-address.ts'

const BARE = { size: 10, smtpUtf8: false }
const EVERYTHING = {
  ...HELO_CAPABILITIES,
  size: { limit: 1000 },
  eightBitMime: true,
  smtpUtf8: true,
  dsn: true,
  requireTls: true,
}

describe('RFC 5321 §4.1.1 MAIL and RCPT', () => {
  test('the null reverse-path is <>', () => {
    assert.equal(mailCommand(mail({ from: '' }).envelope, HELO_CAPABILITIES, BARE), 'MAIL FROM:<>\r\n')
  })

  test('parameters come in one order, each only when offered and needed', () => {
    const { envelope } = mail({
      envelope: { body: '8bitmime', requireTls: true, dsn: { ret: 'HDRS', envid: 'QQ+2B1' } },
    })
    const parameters = { size: 77, smtpUtf8: true }
    assert.equal(
      mailCommand(envelope, EVERYTHING, parameters),
      'MAIL FROM:<sender@example.com> SIZE=77 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=QQ+2B1\r\n',
    )
    assert.equal(mailCommand(mail().envelope, EVERYTHING, BARE), 'MAIL FROM:<sender@example.com> SIZE=10\r\n')
  })

  test('RFC 6533 §3: without SMTPUTF8 an ORCPT in UTF-8 is written in its ASCII form', () => {
    const recipient = { index: 0, address: address('u@example.net'), orcpt: 'utf-8;grün@example.net' }
    assert.match(rcptCommand(recipient, EVERYTHING, BARE), /ORCPT=utf-8;gr\\x\{FC\}n@example\.net\r\n$/)
    assert.match(rcptCommand(recipient, EVERYTHING, { ...BARE, smtpUtf8: true }), /ORCPT=utf-8;grün@example\.net\r\n$/)
  })
})

describe('SMTP-20 line ends in stored addresses', () => {
  const localParts = ['a\r\nRCPT TO:<x@y>', 'a\nb', 'a\rb', 'a\0b', '"a\u0085b"']

  for (const localPart of localParts) {
    const poisoned: MailAddress = { ...address('a@example.net'), localPart }
    test(`SMTP-20: ${JSON.stringify(localPart)} never becomes a command`, () => {
      covers('SMTP-20', { observe: 'pure' })
      assert.throws(() => mailCommand({ ...mail().envelope, reversePath: poisoned }, EVERYTHING, BARE), /invariant/)
      assert.throws(() => rcptCommand({ index: 0, address: poisoned }, EVERYTHING, BARE), /invariant/)
    })
  }

  test('SMTP-20: nor does one in ENVID or ORCPT', () => {
    covers('SMTP-20', { observe: 'pure' })
    const { envelope } = mail({ envelope: { dsn: { envid: 'x\r\nDATA' } } })
    assert.throws(() => mailCommand(envelope, EVERYTHING, BARE), /invariant/)
    const recipient = { index: 0, address: address('u@example.net'), orcpt: 'rfc822;x\r\nDATA' }
    assert.throws(() => rcptCommand(recipient, EVERYTHING, BARE), /invariant/)
  })
})

describe('RFC 5321 §4.1.4 the name in EHLO', () => {
  for (const name of ['relay.example.com', 'xn--bcher-kva.example', '[192.0.2.1]', '[IPv6:2001:db8::1]', 'localhost']) {
    test(`may be ${name}`, () => assert.equal(helloCommand('EHLO', name), `EHLO ${name}\r\n`))
  }

  for (const name of ['bücher.example', 'a b', 'a\r\nMAIL', '', '-a', '[a b]']) {
    test(`may not be ${JSON.stringify(name)}`, () => assert.throws(() => helloCommand('EHLO', name), /invariant/))
  }
})
