import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NetstringReader, netstring } from './netstring.ts'

const OCTETS_MAX = 200

/** Everything that can be pulled out of these chunks. */
function readAll(chunks: readonly Buffer[], octetsMax = OCTETS_MAX) {
  const reader = new NetstringReader({ octetsMax })
  const strings: string[] = []
  for (const chunk of chunks) {
    reader.feed(chunk)
    for (;;) {
      const next = reader.next()
      if (!next.ok) return { strings, error: next.error.kind, hasRest: reader.hasRest }
      if (next.value === undefined) break
      strings.push(next.value.toString('utf8'))
    }
  }
  return { strings, error: undefined, hasRest: reader.hasRest }
}

test('strings come back as they were written, wherever the chunks are cut', () => {
  const texts = fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: 20 })
  fc.assert(
    fc.property(texts, fc.array(fc.nat(400), { maxLength: 30 }), (written, cuts) => {
      const bytes = Buffer.concat(written.map(netstring))
      const at = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].sort((a, b) => a - b)
      const chunks = [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length))
      const read = readAll(chunks)
      assert.deepEqual(read, { strings: written.map((text) => text.toWellFormed()), error: undefined, hasRest: false })
    }),
  )
})

test('whatever bytes come, the reader ends with strings within the limit, or an error', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }), (chunks) => {
      const { strings } = readAll(chunks.map((chunk) => Buffer.from(chunk)))
      assert(strings.every((text) => Buffer.byteLength(text) <= OCTETS_MAX * 3))
    }),
  )
})

test('bytes that look like netstrings are read or refused alike however they are cut', () => {
  const octet = fc.constantFrom(...Buffer.from('0123456789:,a'))
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 60 }), (octets) => {
      const whole = readAll([Buffer.from(octets)])
      const single = readAll(octets.map((one) => Buffer.of(one)))
      assert.deepEqual([single.strings, single.error], [whole.strings, whole.error])
    }),
  )
})

const REFUSED = [
  ['a string longer than the limit, before its bytes come', '201:', 'too-long'],
  ['a length of many digits', '99999999999999999999', 'too-long'],
  ['no digits', ':x,', 'bad-length'],
  ['a leading zero', '03:abc,', 'bad-length'],
  ['a sign', '-1:', 'bad-length'],
  ['white space', ' 3:abc,', 'bad-length'],
  ['an HTTP request', 'GET / HTTP/1.1\r\n', 'bad-length'],
  ['another octet in place of the comma', '3:abcd', 'bad-terminator'],
  ['a line end in place of the comma', '3:abc\n', 'bad-terminator'],
] as const

for (const [what, text, kind] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.equal(readAll([Buffer.from(text)]).error, kind)
  })
}

test('the empty string is a string, and the longest allowed one is read', () => {
  const longest = 'x'.repeat(OCTETS_MAX)
  assert.deepEqual(readAll([netstring(''), netstring(longest)]).strings, ['', longest])
})
