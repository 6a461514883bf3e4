import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { foldField, printable, quotedPrintable, singleLine, utf8AddressInAscii, wrap } from './header-text.ts'

describe('text that may stand in a composed message', () => {
  test('printable text is one line of ASCII within its limit, whatever came in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.integer({ min: 5, max: 300 }), (text, limit) => {
        const shown = printable(text, limit)
        assert.match(shown, /^[\x20-\x7e]*$/)
        assert.ok(shown.length <= limit)
      }),
    )
    assert.equal(printable('550 ok\r\n  next\tline é', 100), '550 ok next line ?')
    assert.equal(printable('abcdefghij', 8), 'abcd ...')
  })

  test('folding keeps the words and makes no line of white space only (RFC 5322 §3.2.2)', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[!-~]{1,90}$/), { minLength: 1, maxLength: 30 }), (words) => {
        const folded = foldField('X-Test', words.join(' '))
        assert.ok(folded.endsWith('\r\n'))
        assert.equal(folded.trimEnd().replace(/\r\n /g, ' '), `X-Test: ${words.join(' ')}`)
        for (const line of folded.trimEnd().split('\r\n')) assert.match(line, /\S/)
      }),
    )
    assert.deepEqual(wrap('aa bb cc', 5), ['aa bb', 'cc'])
  })

  test('quoted-printable decodes to what went in, in lines of at most 76 octets (RFC 2045 §6.7)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const encoded = quotedPrintable(bytes)
        for (const line of encoded.split('\r\n')) {
          assert.ok(line.length <= 76)
          assert.doesNotMatch(line, /[ \t]$|[^\x20-\x7e\t]/)
        }
        const decoded = encoded
          .replace(/=\r\n/g, '')
          .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        assert.deepEqual(Buffer.from(decoded, 'latin1'), Buffer.from(bytes))
      }),
    )
  })

  test('a UTF-8 address becomes ASCII that cannot be mistaken for another (RFC 6533 §3)', () => {
    assert.equal(utf8AddressInAscii('bücher+1@x.example'), 'b\\x{FC}cher\\x{2B}1@x.example')
    assert.equal(utf8AddressInAscii('a\\b 😀'), 'a\\x{5C}b\\x{20}\\x{1F600}')
  })

  test('an address never brings a control character along', () => {
    assert.equal(singleLine('"a  b\r\nX: y"@x.example'), '"a  b??X: y"@x.example')
  })
})
