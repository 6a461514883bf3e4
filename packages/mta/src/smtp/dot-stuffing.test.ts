import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { DotStuffer } from './dot-stuffing.ts'

/** What travels, or the fault, when the content comes in these chunks. */
function wireForm(...chunks: readonly (string | Buffer)[]): string {
  const stuffer = new DotStuffer()
  const out: Buffer[] = []
  for (const chunk of chunks) {
    const slices = stuffer.push(Buffer.from(chunk as string))
    if (!slices.ok) return slices.error
    out.push(...slices.value)
  }
  const end = stuffer.finish()
  return end.ok ? Buffer.concat([...out, end.value]).toString('latin1') : end.error
}

/** The receiver's half (RFC 5321 §4.5.2), written the plain way. */
function unstuffed(wire: string): string {
  assert.ok(wire.endsWith('.\r\n'))
  return wire.slice(0, -3).replace(/(^|\r\n)\./g, '$1')
}

describe('RFC 5321 §4.5.2 transparency', () => {
  for (const [content, wire] of [
    ['', '.\r\n'],
    ['.\r\n', '..\r\n.\r\n'],
    ['..\r\n.x\r\n', '...\r\n..x\r\n.\r\n'],
    ['a\r\n.\r\nb\r\n', 'a\r\n..\r\nb\r\n.\r\n'],
    ['a.\r\n', 'a.\r\n.\r\n'],
    ['a', 'a\r\n.\r\n'],
    ['.', '..\r\n.\r\n'],
    ['\r\n', '\r\n.\r\n'],
  ] as const) {
    test(`${JSON.stringify(content)} travels as ${JSON.stringify(wire)}`, () => assert.equal(wireForm(content), wire))
  }

  for (const [content, fault] of [
    ['bare \r is bad\r\n', 'bare-cr'],
    ['bare \n is bad\r\n', 'bare-lf'],
    ['\n.\nis bad\r\n', 'bare-lf'],
    ['\r\n.\ris bad\r\n', 'bare-cr'],
    ['\n.\r\nis bad\r\n', 'bare-lf'],
    ['a\r\r\n', 'bare-cr'],
    ['a\n\r\n', 'bare-lf'],
    ['ends in \r', 'bare-cr'],
    ['ends in \n', 'bare-lf'],
    ['\n', 'bare-lf'],
  ] as const) {
    test(`${JSON.stringify(content)} does not travel`, () => assert.equal(wireForm(content), fault))
    test(`${JSON.stringify(content)} does not travel byte by byte either`, () => {
      assert.equal(wireForm(...content.split('')), fault)
    })
  }

  for (const [rule, content, passes] of [
    ['998 octets', 'x'.repeat(998), true],
    ['998 octets and a stuffed dot', `.${'x'.repeat(997)}`, true],
    ['999 octets', 'x'.repeat(999), false],
    ['1200 octets', 'x'.repeat(1200), false],
  ] as const) {
    test(`RFC 5321 §4.5.3.1.6: a line of ${rule} ${passes ? 'travels' : 'does not travel'}, wherever it is cut`, () => {
      for (const text of [content, `${content}\r\n`, `a\r\n${content}\r\nb\r\n`, `a\r\n\r\n${content}`]) {
        for (const size of [1, 2, 7, 499, 998, 999, 1000, 1001, text.length]) {
          const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, n) =>
            text.slice(n * size, (n + 1) * size),
          )
          assert.equal(wireForm(...chunks) !== 'line-too-long', passes, `${text.length} in pieces of ${size}`)
        }
      }
    })
  }

  test('many dots cost one copy, few dots none', () => {
    const slicesOf = (content: string) => new DotStuffer().push(Buffer.from(content))
    const few = slicesOf('x\r\n.x\r\n'.repeat(3))
    const many = slicesOf('x\r\n.x\r\n'.repeat(1000))
    assert.ok(few.ok && few.value.length > 1)
    assert.ok(many.ok && many.value.length === 1)
  })
})

const fragment = fc.constantFrom('.', '..', '\r\n', '\r\n.', '\r\n.\r\n', 'x', 'text', '\r\n\r\n', '\xff')
const hostile = fc.oneof(fragment, fc.constantFrom('\r', '\n', '\n.', '.\r', '\0'))

describe('properties', () => {
  test('what travels un-stuffs to the content, with a line end if it lacked one', () => {
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 60 }), (fragments) => {
        const content = fragments.join('')
        const expected = content === '' || content.endsWith('\r\n') ? content : `${content}\r\n`
        assert.equal(unstuffed(wireForm(Buffer.from(content, 'latin1'))), expected)
      }),
    )
  })

  test('any chunking travels the same, and nothing bare ever does', () => {
    fc.assert(
      fc.property(
        fc.array(hostile, { maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        (fragments, sizes) => {
          const content = Buffer.from(fragments.join(''), 'latin1')
          const chunks: Buffer[] = []
          for (let at = 0, turn = 0; at < content.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1
            chunks.push(content.subarray(at, at + size))
            at += size
          }
          const whole = wireForm(content)
          const chunked = wireForm(...chunks)
          if (whole === 'bare-cr' || whole === 'bare-lf') assert.match(chunked, /^bare-/)
          else {
            assert.equal(chunked, whole)
            assert.doesNotMatch(whole, /\r(?!\n)|(?<!\r)\n/)
            assert.equal(
              whole.indexOf('\r\n.\r\n', -1) === -1 ? 0 : whole.split('\r\n.\r\n').length,
              whole === '.\r\n' ? 0 : 2,
            )
          }
        },
      ),
    )
  })

  test('exactly the contents whose lines have at most 998 octets travel, in any chunking', () => {
    const line = fc.oneof(fc.nat({ max: 40 }), fc.integer({ min: 990, max: 1005 }))
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 1200 }), { minLength: 1 }),
        (lengths, sizes) => {
          const content = Buffer.from(lengths.map((length) => `${'x'.repeat(length)}\r\n`).join(''))
          const chunks: Buffer[] = []
          for (let at = 0, turn = 0; at < content.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1
            chunks.push(content.subarray(at, at + size))
            at += size
          }
          const travels = lengths.every((length) => length <= 998)
          assert.equal(wireForm(...chunks) !== 'line-too-long', travels)
        },
      ),
    )
  })

  test('a chunk that shows a bare CR or LF is not emitted', () => {
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 30 }), fc.integer({ min: 1, max: 5 }), (fragments, size) => {
        const content = Buffer.from(fragments.join(''), 'latin1')
        const stuffer = new DotStuffer()
        let emitted = ''
        for (let at = 0; at < content.length; at += size) {
          const slices = stuffer.push(content.subarray(at, at + size))
          if (!slices.ok) break
          emitted += Buffer.concat([...slices.value]).toString('latin1')
        }
        assert.doesNotMatch(emitted, /\r(?!\n)|(?<!\r)\n/)
      }),
    )
  })
})
