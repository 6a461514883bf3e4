import assert from 'node:assert/strict'
import { isAscii } from 'node:buffer'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SevenBitEncoder } from './seven-bit-encoder.ts'

function encode(message: string | Buffer, sizes: readonly number[] = []): Buffer {
  const encoder = new SevenBitEncoder()
  const octets = Buffer.from(message)
  const out: Buffer[] = []
  for (let at = 0, index = 0; at < octets.length; index += 1) {
    const size = sizes[index % Math.max(1, sizes.length)] ?? octets.length
    out.push(encoder.push(octets.subarray(at, at + size)))
    at += size
  }
  return Buffer.concat([...out, encoder.finish()])
}

/** RFC 2045 §6.7, the receiving half. */
function decoded(text: string): Buffer {
  const joined = text.replace(/=\r\n/g, '')
  return Buffer.from(
    joined.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}

const MIME = 'From: a@example.com\r\nMIME-Version: 1.0\r\n'
const TEXT = 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n'
const LABEL = 'Content-Transfer-Encoding: quoted-printable\r\n'

describe('RFC 6152 §3: eight bits in seven', () => {
  test('a text is quoted-printable, its label in the place of the old one, all else as it was', () => {
    const message = `${MIME}${TEXT}Subject: x\r\n\r\nGrüße = \r\nend\r\n`
    assert.equal(
      encode(message).toString(),
      `${MIME}${TEXT.replace('8bit', 'quoted-printable')}Subject: x\r\n\r\nGr=C3=BC=C3=9Fe =3D=20\r\nend\r\n`,
    )
  })

  test('of several parts those that need it, inside of each other too', () => {
    const inner = `--in"ner\r\n${TEXT}\r\ngrün\r\n--in"ner\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lG\r\n--in"ner--\r\n`
    const message = `${MIME}Content-Type: multipart/mixed; boundary=outer\r\n\r\npreamble\r\n--outer\r\nContent-Type: multipart/alternative;\r\n boundary="in\\"ner"\r\n\r\n${inner}\r\n--outer \r\n\r\nplain = plain\r\n--outer\r\n${TEXT}\r\nblau ü\r\n--outer--\r\nepilogue = \r\n`
    const wanted = message
      .replaceAll('Content-Transfer-Encoding: 8bit\r\n', LABEL)
      .replace('grün', 'gr=C3=BCn')
      .replace('blau ü', 'blau =C3=BC')
    assert.equal(encode(message).toString(), wanted)
  })

  test('a message inside of a message is opened, the label of what holds it stays', () => {
    const message = `${MIME}Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\n${TEXT}\r\ngrün\r\n`
    const wanted = message.replace(`${TEXT}\r\ngrün`, `${TEXT.replace('8bit', 'quoted-printable')}\r\ngr=C3=BCn`)
    assert.equal(encode(message).toString(), wanted)
  })

  for (const [why, message] of [
    ['is no MIME', `From: a@example.com\r\n${TEXT}\r\ngrün\r\n`],
    ['somebody else has signed', `DKIM-Signature: v=1\r\n${MIME}${TEXT}\r\ngrün\r\n`],
    ['carries the seal of a mailing list', `ARC-Seal: i=1\r\n${MIME}${TEXT}\r\ngrün\r\n`],
    [
      'is signed inside',
      `${MIME}Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n${TEXT}\r\ngrün\r\n--b\r\n\r\nsignature\r\n--b--\r\n`,
    ],
    ['is quoted-printable already', `${MIME}${TEXT.replace('8bit', 'quoted-printable')}\r\na=3Db =\r\n c\r\n`],
    ['is in seven bits', `${MIME}${TEXT.replace('8bit', '7bit')}\r\na = b\r\n`],
    ['has no end of its header', `${MIME}${TEXT.replace('8bit', '7bit')}`],
    ['has a boundary that cannot be one', `${MIME}Content-Type: multipart/mixed\r\n\r\n--\r\n${TEXT}\r\ngrün\r\n`],
  ] as const) {
    test(`a message that ${why} stays as it is`, () => assert.equal(encode(message).toString(), message))
  }

  test('a signed message or part inside stays as it is, its neighbours are encoded', () => {
    const signed = `Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n${TEXT}\r\nsigné\r\n--s--\r\n`
    const forwarded = `Content-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\nMIME-Version: 1.0\r\n${TEXT}\r\nsigné\r\n`
    const message = `${MIME}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${signed}--b\r\n${forwarded}--b\r\n${TEXT}\r\ngrün\r\n--b--\r\n`
    const wanted = message.replace(`${TEXT}\r\ngrün`, `${TEXT.replace('8bit', 'quoted-printable')}\r\ngr=C3=BCn`)
    assert.equal(encode(message).toString(), wanted)
  })

  const line = fc.string({ unit: 'binary', maxLength: 200 }).map((text) => text.replace(/[\r\n]/g, ''))
  const pieces = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 })

  test('what is encoded is decoded to what it was, in whatever pieces it came, and has seven bits and short lines', () => {
    fc.assert(
      fc.property(fc.array(line), pieces, (lines, sizes) => {
        const body = Buffer.from(lines.map((text) => `${text}\r\n`).join(''))
        const octets = encode(Buffer.concat([Buffer.from(`${MIME}${TEXT}\r\n`), body]), sizes)
        assert.ok(isAscii(octets))
        const text = octets.toString('latin1')
        const at = text.indexOf('\r\n\r\n') + 4
        for (const one of text.slice(at).split('\r\n')) assert.ok(one.length <= 76)
        assert.deepEqual(decoded(text.slice(at)), body)
      }),
    )
  })

  test('nothing throws, and nothing is lost of what is no MIME', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), pieces, (text, sizes) => {
        const octets = Buffer.from(text)
        if (!/mime-version/i.test(text)) assert.deepEqual(encode(octets, sizes), octets)
        void encode(
          Buffer.concat([Buffer.from(`${MIME}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n`), octets]),
          sizes,
        )
      }),
    )
  })
})
