import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import {
  address,
  dsnBytes,
  dsnRequest,
  dsnText,
  EVERY_CAUSE,
  type envelope,
  failed,
  failedLocally,
  recipient,
  SAMPLE_CONTENT,
  withEnvelope,
} from './dsn.fixture.ts'
import { DSN_SIZE_LIMIT } from './dsn.ts'
import { lint, read } from './dsn-reader.fixture.ts'
import { RETURNED_CONTENT_LIMIT } from './returned-content.ts'
import { sevenBitForm } from './seven-bit-form.ts'

describe('the failure notification (RFC 3464)', () => {
  test('DSN-09 SUB-24: multipart/report of text, message/delivery-status and the returned part, in clean syntax', () => {
    covers(['DSN-09', 'SUB-24'], { observe: 'pure' })
    const text = dsnText(dsnRequest())
    lint(text)
    const { header, parts } = read(text)
    assert.match(header, /^Content-Type: multipart\/report; report-type=delivery-status;/m)
    assert.deepEqual(
      parts.map(({ type }) => type),
      ['text/plain', 'message/delivery-status', 'text/rfc822-headers'],
    )
  })

  test('DSN-10: RET=FULL returns the message, HDRS and none the header section, REQUIRETLS always headers', () => {
    covers('DSN-10', { observe: 'pure' })
    const third = (changes: Parameters<typeof envelope>[0]) => read(dsnText(withEnvelope(changes))).parts[2]
    assert.equal(third({ dsn: { ret: 'FULL' } })?.type, 'message/rfc822')
    assert.equal(third({ dsn: { ret: 'FULL' } })?.body, SAMPLE_CONTENT.toString())
    assert.equal(third({ dsn: { ret: 'HDRS' } })?.type, 'text/rfc822-headers')
    assert.equal(third({})?.type, 'text/rfc822-headers')
    assert.ok(!third({})?.body.includes('Body'))
    assert.equal(third({ dsn: { ret: 'FULL' }, tls: 'requiretls' })?.type, 'text/rfc822-headers')
  })

  test('DSN-11: optional fields stand exactly when their fact is known, for every cause', () => {
    covers('DSN-11', { observe: 'pure' })
    for (const cause of EVERY_CAUSE) {
      const { perMessage, perRecipient } = read(dsnText(dsnRequest({ outcomes: [failed(0, { cause })] })))
      assert.deepEqual([...perMessage.keys()], ['Reporting-MTA', 'Arrival-Date'])
      assert.equal(perMessage.get('Reporting-MTA'), 'dns; relay.example.com')
      assert.deepEqual(
        perRecipient.map((group) => [...group.keys()]),
        [['Final-Recipient', 'Action', 'Status', 'Remote-MTA', 'Diagnostic-Code', 'Last-Attempt-Date']],
      )
      const [fields] = perRecipient
      assert.equal(fields?.get('Final-Recipient'), 'rfc822; user0@b.example')
      assert.equal(fields?.get('Action'), 'failed')
      assert.equal(fields?.get('Remote-MTA'), 'dns; mx1.b.example')
      assert.equal(fields?.get('Diagnostic-Code')?.startsWith('smtp; '), cause.kind === 'reply', cause.kind)
    }
    const request = withEnvelope({ dsn: { envid: 'QQ+2B1' } })
    const recipients = [recipient(0, { orcpt: 'rfc822;Bob+2BSales@b.example' })]
    const full = read(dsnText({ ...request, original: { ...request.original, recipients } }))
    assert.equal(full.perMessage.get('Original-Envelope-Id'), 'QQ+1')
    assert.equal(full.perRecipient[0]?.get('Original-Recipient'), 'rfc822; Bob+Sales@b.example')
  })

  test('no Remote-MTA when no remote host took part (RFC 3464 §2.3.5)', () => {
    const outcomes = [failedLocally(0, { kind: 'domain-not-found', name: 'b.example' })]
    const [fields] = read(dsnText(dsnRequest({ outcomes }))).perRecipient
    assert.ok(fields !== undefined && !fields.has('Remote-MTA'))
  })

  test('an expiry keeps the class-4 status and tells the last actual problem (RFC 3464 §2.3.3)', () => {
    const reply = { code: 451, enhancedStatus: '4.7.1', lines: ['Greylisted'] } as const
    const cause = { kind: 'expired', last: { kind: 'reply', phase: 'rcpt', reply } } as const
    const { perRecipient, parts } = read(dsnText(dsnRequest({ outcomes: [failed(0, { cause, status: '4.7.1' })] })))
    assert.equal(perRecipient[0]?.get('Status'), '4.7.1')
    assert.equal(perRecipient[0]?.get('Diagnostic-Code'), 'smtp; 451 4.7.1 Greylisted')
    assert.match(parts[0]?.body ?? '', /time for that is over[\s\S]*The last problem was/)
  })

  test('DSN-15: what is returned and told fits seven bits, whatever the original holds', () => {
    covers('DSN-15', { observe: 'pure' })
    const contentStart = Buffer.from('Subject: Grüße\r\nX: 100 % = all\r\n\r\nschöner Text\r\n')
    const request = withEnvelope(
      { dsn: { ret: 'FULL' }, size: contentStart.length, body: '8bitmime' },
      { contentStart },
    )
    const text = dsnText(request)
    lint(text)
    const third = read(text).parts[2]
    assert.equal(third?.type, 'text/rfc822-headers')
    assert.equal(third?.body, 'Subject: Gr=C3=BC=C3=9Fe\r\nX: 100 % =3D all\r\n')
  })

  test('DSN-17: every notification says Auto-Submitted: auto-replied', () => {
    covers('DSN-17', { observe: 'pure' })
    for (const cause of EVERY_CAUSE) {
      assert.match(
        read(dsnText(dsnRequest({ outcomes: [failed(0, { cause })] }))).header,
        /^Auto-Submitted: auto-replied$/m,
      )
    }
  })

  test('it comes from the postmaster and answers the original (RFC 3464 §2, RFC 3834 §3.1.5)', () => {
    const { header } = read(dsnText(dsnRequest()))
    assert.match(header, /^From: Mail Delivery System <postmaster@relay\.example\.com>$/m)
    assert.match(header, /^To: <alice@app\.example>$/m)
    assert.match(header, /^In-Reply-To: <hello@app\.example>$/m)
  })

  test('the text tells for every cause what happened, once for recipients that share it', () => {
    for (const cause of EVERY_CAUSE) {
      const request = dsnRequest({ outcomes: [failed(0, { cause }), failed(1, { cause })] })
      const original = { ...request.original, recipients: [recipient(0), recipient(1)] }
      const body = read(dsnText({ ...request, original })).parts[0]?.body ?? ''
      assert.match(body, /\r\n {2}user0@b\.example\r\n {2}user1@b\.example\r\n {4}[A-Z]/, cause.kind)
      for (const line of body.split('\r\n')) assert.ok(line.length <= 78, line)
    }
  })

  test('it stays below the inline size with a large message and with a thousand recipients', () => {
    const body = `Subject: big\r\n\r\n${'x'.repeat(70)}`.padEnd(RETURNED_CONTENT_LIMIT - 2, `${'y'.repeat(70)}\r\n`)
    const contentStart = Buffer.from(`${body.trimEnd()}\r\n`)
    const big = dsnText(withEnvelope({ dsn: { ret: 'FULL' }, size: contentStart.length }, { contentStart }))
    assert.match(big, /message\/rfc822/)
    assert.ok(big.length <= DSN_SIZE_LIMIT)
    lint(big)
    const lines = ['It is refused, and this is a long story about the reason. '.repeat(20)]
    const cause = { kind: 'reply', phase: 'rcpt', reply: { code: 550, lines } } as const
    const recipients = Array.from({ length: 800 }, (_, index) => recipient(index))
    const request = dsnRequest({ outcomes: recipients.map(({ index }) => failed(index, { cause })), contentStart })
    const many = dsnText({ ...request, original: { ...request.original, recipients } })
    assert.ok(many.length <= DSN_SIZE_LIMIT, `${many.length} octets`)
    assert.equal(read(many).perRecipient.length, 800)
    lint(many)
  })

  test('a message that was longer than what is given is never returned as if it were whole', () => {
    const request = withEnvelope({ dsn: { ret: 'FULL' }, size: SAMPLE_CONTENT.length + 1 })
    assert.equal(read(dsnText(request)).parts[2]?.type, 'text/rfc822-headers')
    assert.equal(read(dsnText(dsnRequest({ contentStart: new Uint8Array() }))).parts.length, 2)
  })

  test('with more recipients than fit beside it, the returned part is left out and all are still named', () => {
    const recipients = Array.from({ length: 900 }, (_, index) =>
      recipient(index, { address: address(`user${index}-${'x'.repeat(50)}`, `${'sub.'.repeat(20)}b.example`) }),
    )
    const request = dsnRequest({ outcomes: recipients.map(({ index }) => failed(index)) })
    const { parts, perRecipient } = read(dsnText({ ...request, original: { ...request.original, recipients } }))
    assert.equal(parts.length, 2)
    assert.equal(perRecipient.length, 900)
  })

  test('the text names a hundred recipients and says how many more there are', () => {
    const recipients = Array.from({ length: 130 }, (_, index) => recipient(index))
    const request = dsnRequest({ outcomes: recipients.map(({ index }) => failed(index)) })
    const body = read(dsnText({ ...request, original: { ...request.original, recipients } })).parts[0]?.body ?? ''
    assert.equal(body.match(/^ {2}user\d+@b\.example\r$/gm)?.length, 100)
    assert.match(body, /and to 30 more/)
  })

  test('a Subject never holds an address that is long or not ASCII', () => {
    const subjectFor = (localPart: string) => {
      const request = dsnRequest()
      const recipients = [recipient(0, { address: address(localPart, 'b.example') })]
      return /^Subject: (.*)$/m.exec(dsnText({ ...request, original: { ...request.original, recipients } }))?.[1]
    }
    assert.equal(subjectFor('bob'), 'Your message was not delivered to bob@b.example')
    assert.equal(subjectFor('b'.repeat(60)), 'Your message was not delivered (1 of its recipients)')
    assert.equal(subjectFor('bücher'), 'Your message was not delivered (1 of its recipients)')
  })

  test('a message that holds our boundary does not end its part (RFC 2046 §5.1.1)', () => {
    const boundary = /boundary="([^"]+)"/.exec(dsnText(dsnRequest()))?.[1]
    const contentStart = Buffer.from(`Subject: x\r\n\r\n--${boundary}--\r\n`)
    const text = dsnText(withEnvelope({ dsn: { ret: 'FULL' }, size: contentStart.length }, { contentStart }))
    assert.equal(read(text).parts[2]?.body, contentStart.toString())
  })

  test('an ENVID or ORCPT beyond every limit does not make a line too long', () => {
    const request = withEnvelope({ dsn: { envid: 'e'.repeat(3000) } })
    const recipients = [recipient(0, { orcpt: `rfc822;${'+2B'.repeat(3000)}` })]
    lint(dsnText({ ...request, original: { ...request.original, recipients } }))
  })

  test('no text of a peer, of an envelope or of the original leaves its place', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 1200 }),
      fc.constantFrom('a\r\nBcc: v@x.example\r\n\r\n', '\r\n.\r\n', '\n--=_', '\u2028X: y', ' '.repeat(1500)),
    )
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      nasty.map((text) => new TextEncoder().encode(text)),
    )
    fc.assert(
      fc.property(nasty, nasty, nasty, bytes, (peer, name, orcpt, contentStart) => {
        const cause = { kind: 'reply', phase: 'mail', reply: { code: 550, lines: [peer, peer] } } as const
        const remote = { mxHostname: name, address: name, port: 25 }
        const request = withEnvelope(
          { dsn: { ret: 'FULL', envid: orcpt }, size: contentStart.length },
          {
            outcomes: [failed(0, { cause, remote }), failed(1, { cause: { kind: 'internal', detail: peer } })],
            contentStart,
          },
        )
        const to = { localPart: name.slice(0, 64), domain: REFUSED_DOMAIN }
        const recipients = [recipient(0, { orcpt }), recipient(1, { address: to })]
        const bytes = dsnBytes({ ...request, original: { ...request.original, recipients } })
        const sevenBit = sevenBitForm(bytes)
        if (sevenBit !== undefined) lint(Buffer.from(sevenBit).toString('latin1'))
        for (const text of [bytes, ...(sevenBit === undefined ? [] : [Buffer.from(sevenBit)])]) {
          lint(text.toString('latin1'), { eightBit: true })
          const { parts, perRecipient } = read(text.toString('latin1'))
          assert.equal(perRecipient.length, 2)
          assert.equal(parts.length, contentStart.length === 0 ? 2 : 3)
          for (const group of perRecipient) assert.equal(group.get('Action'), 'failed')
        }
      }),
    )
  })
})

const REFUSED_DOMAIN = address('x', 'b.example').domain
