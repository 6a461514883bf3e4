import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  address,
  type DsnSample,
  delayed,
  dsnBytes,
  dsnOf,
  dsnRequest,
  dsnText,
  failed,
  recipient,
  relayed,
  withEnvelope,
} from './dsn.fixture.ts'
import { lint, read } from './dsn-reader.fixture.ts'
import { sevenBitForm } from './seven-bit-form.ts'

const CONTENT = Buffer.from('From: jörg@app.example\r\nSubject: Grüße\r\n\r\nschöner Text\r\n')
const INTERNATIONAL = { smtpUtf8: true, body: '8bitmime', size: CONTENT.length } as const

/** Internationalised mail to one UTF-8 address, of which something is told. */
function sample(changes: Parameters<typeof withEnvelope>[0] = {}): DsnSample {
  const request = withEnvelope({ ...INTERNATIONAL, ...changes }, { contentStart: CONTENT })
  const recipients = [recipient(0, { address: address('bücher', 'b.example') })]
  return { ...request, original: { ...request.original, recipients } }
}

function sevenBits(request: DsnSample): string {
  const made = sevenBitForm(dsnBytes(request))
  assert.ok(made !== undefined)
  const text = Buffer.from(made).toString('latin1')
  lint(text)
  return text
}

function typesOf(text: string) {
  return read(text).parts.map(({ header }) => header.replaceAll('\r\n', '; ').replaceAll(/Content-[-A-Za-z]+: /g, ''))
}

describe('notifications about internationalised mail (RFC 6533)', () => {
  test('they have the types and addresses of RFC 6533, and need SMTPUTF8', () => {
    const { envelope } = dsnOf(sample())
    assert.deepEqual([envelope.smtpUtf8, envelope.body], [true, '8bitmime'])
    const text = dsnText(sample())
    lint(text, { eightBit: true })
    assert.deepEqual(typesOf(text).slice(1), ['message/global-delivery-status; 8bit', 'message/global-headers; 8bit'])
    const utf8 = read(Buffer.from(text, 'latin1').toString('utf8'))
    assert.equal(utf8.perRecipient[0]?.get('Final-Recipient'), 'utf-8; bücher@b.example')
    assert.match(utf8.parts[2]?.body ?? '', /^Subject: Grüße\r$/m)
  })

  test('in seven bits they have the older types, and say the same', () => {
    const text = sevenBits(sample())
    const whole = read(dsnText(sample()))
    assert.deepEqual(typesOf(text).slice(1), [
      'message/delivery-status; 7bit',
      'text/rfc822-headers; charset=utf-8; quoted-printable',
    ])
    const { header, parts, perRecipient } = read(text)
    assert.equal(header, whole.header)
    assert.equal(parts[0]?.body, whole.parts[0]?.body)
    assert.equal(perRecipient[0]?.get('Final-Recipient'), 'utf-8; b\\x{FC}cher@b.example')
    assert.match(parts[2]?.body ?? '', /^Subject: Gr=C3=BC=C3=9Fe\r$/m)
    assert.equal(sevenBitForm(Buffer.from(text, 'latin1')), undefined)
  })

  test('a signature on top is left out with what it signed', () => {
    const signed = Buffer.concat([Buffer.from('DKIM-Signature: v=1; a=x;\r\n b=y\r\n'), dsnBytes(sample())])
    assert.equal(Buffer.from(sevenBitForm(signed) ?? '').toString('latin1'), sevenBits(sample()))
  })

  test('there is no seven-bit form for a sender with a UTF-8 address, or of a message that is not ours', () => {
    const request = sample({ reversePath: address('jörg', 'app.example') })
    lint(dsnText(request), { eightBit: true })
    assert.equal(dsnOf(request).envelope.smtpUtf8, true)
    assert.equal(sevenBitForm(dsnBytes(request)), undefined)
    for (const foreign of ['Date: x\r\n\r\nschön\r\n', 'schön', 'Date: x\r\n boundary="b"\r\n\r\n--b\r\nschön\r\n']) {
      assert.equal(sevenBitForm(Buffer.from(foreign)), undefined)
    }
  })

  test('RET=FULL returns an internationalised message as message/global, in seven bits its header section', () => {
    const request = sample({ dsn: { ret: 'FULL' } })
    assert.equal(read(dsnText(request)).parts[2]?.type, 'message/global')
    assert.equal(read(dsnText(request)).parts[2]?.body, CONTENT.toString('latin1'))
    assert.equal(read(sevenBits(request)).parts[2]?.type, 'text/rfc822-headers')
  })

  test('DSN-15: an 8-bit message comes back whole as 8BITMIME, in seven bits as its header section', () => {
    const contentStart = Buffer.from('Subject: x\r\nMIME-Version: 1.0\r\n\r\nschöner Text\r\n')
    const request = withEnvelope(
      { dsn: { ret: 'FULL' }, size: contentStart.length, body: '8bitmime' },
      { contentStart },
    )
    const { envelope } = dsnOf(request)
    assert.deepEqual([envelope.smtpUtf8, envelope.body], [false, '8bitmime'])
    lint(dsnText(request), { eightBit: true })
    assert.equal(typesOf(dsnText(request))[2], 'message/rfc822; 8bit')
    assert.equal(typesOf(sevenBits({ ...sample(), ...request }))[2], 'text/rfc822-headers; 7bit')
  })

  test('what turns out to be ASCII is for everybody, whatever the original needed (EAI-02)', () => {
    const request = withEnvelope({ smtpUtf8: true })
    assert.equal(dsnOf(request).envelope.smtpUtf8, false)
    assert.equal(read(dsnText(request)).parts[1]?.type, 'message/delivery-status')
  })

  test('octets that are not UTF-8 are never called so', () => {
    const contentStart = Buffer.from('Subject: Gr\xfc\xdfe\r\n\r\nx\r\n', 'latin1')
    const text = dsnText({ ...sample({ size: contentStart.length, dsn: { ret: 'FULL' } }), contentStart })
    assert.equal(typesOf(text)[2], 'text/rfc822-headers; quoted-printable')
  })

  test('EAI-11: a reply with a UTF-8 address is quoted in the forms that may hold it, and replaced in the others', () => {
    const cause = {
      kind: 'reply',
      phase: 'rcpt',
      reply: { code: 551, enhancedStatus: '5.1.6', lines: ['try <bücher@x.example>\u202e\u2028Bcc: v@x.example'] },
    } as const
    const request = { ...sample(), outcomes: [failed(0, { cause })] }
    const utf8 = Buffer.from(dsnText(request), 'latin1').toString('utf8')
    const told = 'smtp; 551 5.1.6 try <bücher@x.example>? Bcc: v@x.example'
    assert.equal(read(utf8).perRecipient[0]?.get('Diagnostic-Code'), told)
    assert.equal(read(sevenBits(request)).perRecipient[0]?.get('Diagnostic-Code'), told.replace('ü', '?'))
    assert.match(read(sevenBits(request)).parts[0]?.body ?? '', /<b=C3=BCcher@x\.example>\?/)
    const plain = dsnText(dsnRequest({ outcomes: [failed(0, { cause })] }))
    lint(plain)
    assert.equal(read(plain).perRecipient[0]?.get('Diagnostic-Code'), told.replace('ü', '?'))
  })

  test('an ORCPT in UTF-8 is told in the form that the notification may hold (RFC 6533 §3)', () => {
    for (const [orcpt, utf8, ascii] of [
      ['utf-8;bücher@b.example', 'utf-8; bücher@b.example', 'utf-8; b\\x{FC}cher@b.example'],
      ['UTF-8;b\\x{FC}cher@b.example', 'utf-8; b\\x{FC}cher@b.example', 'utf-8; b\\x{FC}cher@b.example'],
    ] as const) {
      const request = sample()
      const recipients = [recipient(0, { address: address('bücher', 'b.example'), orcpt })]
      const with8 = { ...request, original: { ...request.original, recipients } }
      const { perRecipient } = read(Buffer.from(dsnText(with8), 'latin1').toString('utf8'))
      assert.equal(perRecipient[0]?.get('Original-Recipient'), utf8)
      assert.equal(read(sevenBits(with8)).perRecipient[0]?.get('Original-Recipient'), ascii)
    }
  })

  test('long addresses and replies in other scripts fit a line in both forms', () => {
    const long = 'ありがとう'.repeat(100)
    const cause = { kind: 'reply', phase: 'rcpt', reply: { code: 550, lines: [long] } } as const
    const request = sample()
    const recipients = [recipient(0, { address: address('ü'.repeat(64), 'b.example'), orcpt: `utf-8;${long}` })]
    const made = { ...request, outcomes: [failed(0, { cause })], original: { ...request.original, recipients } }
    lint(dsnText(made), { eightBit: true })
    sevenBits(made)
  })

  test('delays and relays have the same forms', () => {
    for (const outcome of [delayed(0), relayed(0)]) {
      const request = sample()
      const recipients = [
        recipient(0, { address: address('bücher', 'b.example'), notify: ['SUCCESS', 'DELAY'] as const }),
      ]
      const text = dsnText({ ...request, outcomes: [outcome], original: { ...request.original, recipients } })
      assert.equal(read(text).parts[1]?.type, 'message/global-delivery-status')
    }
  })
})
