import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { SmtpReply } from './reply.ts'
import { REPLY_LINE_OCTETS_MAX, type ReplyFault, ReplyParser } from './reply-parser.ts'

interface Parsed {
  readonly replies: readonly SmtpReply[]
  readonly fault: ReplyFault | undefined
  readonly unfinished: boolean
}

function parse(...chunks: readonly (string | Buffer)[]): Parsed {
  const parser = new ReplyParser()
  const replies = chunks.flatMap((chunk) => parser.push(Buffer.from(chunk as string)))
  return { replies, fault: parser.fault, unfinished: parser.unfinished }
}

describe('RFC 5321 §4.2 replies', () => {
  for (const [rule, bytes, code, lines] of [
    ['one line', '250 ok\r\n', 250, ['ok']],
    ['a code alone (§4.2: the text may be absent)', '250\r\n', 250, ['']],
    ['a code and a space', '250 \r\n', 250, ['']],
    ['a text whose space was forgotten', '250ok\r\n', 250, ['ok']],
    ['several lines', '250-one\r\n250-two\r\n250 three\r\n', 250, ['one', 'two', 'three']],
    ['a last line without text or space', '250-one\r\n250\r\n', 250, ['one', '']],
    ['a bare LF as line end', '250-one\n250 two\n', 250, ['one', 'two']],
    ['unknown codes of a known class', '299 what\r\n', 299, ['what']],
    ['UTF-8', '550 größer\r\n', 550, ['größer']],
    ['control characters as question marks', '550 a\u0000b\u001bc\u0085d\te\r\n', 550, ['a?b?c?d e']],
    ['what would turn quoted text around as question marks', '550 \u202eab\u2028\r\n', 550, ['?ab?']],
    ['a CR inside a line as any control character', '550 a\r550 b\r\n', 550, ['a?550 b']],
    ['bytes that are no UTF-8', Buffer.from('550 \xff\r\n', 'latin1'), 550, ['\ufffd']],
  ] as const) {
    test(`reads ${rule}`, () =>
      assert.deepEqual(parse(bytes), { replies: [{ code, lines }], fault: undefined, unfinished: false }))
  }

  for (const [rule, bytes, fault] of [
    ['text without a code', 'bogus\r\n', 'malformed-reply'],
    ['four digits', '2200 mx\r\n', 'malformed-reply'],
    ['two digits', '25 ok\r\n', 'malformed-reply'],
    ['an empty line', '\r\n', 'malformed-reply'],
    ['digits of another script', '２５０ ok\r\n', 'malformed-reply'],
    ['1yz', '150 wait\r\n', 'reply-code-out-of-range'],
    ['999', '999 x\r\n', 'reply-code-out-of-range'],
    ['600', '600 x\r\n', 'reply-code-out-of-range'],
    ['two codes in one reply', '250-a\r\n550 b\r\n', 'reply-codes-differ'],
    ['a line over the limit', `250 ${'x'.repeat(REPLY_LINE_OCTETS_MAX)}\r\n`, 'reply-too-long'],
    ['a line without end', '2'.repeat(REPLY_LINE_OCTETS_MAX + 1), 'reply-too-long'],
    ['513 lines', `${'250-x\r\n'.repeat(512)}250 x\r\n`, 'reply-too-long'],
    ['more than 64 KiB', `250-${'x'.repeat(1000)}\r\n`.repeat(66), 'reply-too-long'],
  ] as const) {
    test(`gives up at ${rule}`, () => {
      const parsed = parse(bytes)
      assert.equal(parsed.fault, fault)
      assert.deepEqual(parsed.replies, [])
    })
  }

  test('512 lines are still a reply', () => {
    const [reply] = parse(`${'250-x\r\n'.repeat(511)}250 x\r\n`).replies
    assert.equal(reply?.lines.length, 512)
  })

  test('a long line, but within the limit, is a reply', () => {
    assert.equal(parse(`250 ${'x'.repeat(REPLY_LINE_OCTETS_MAX - 4)}\r\n`).replies.length, 1)
  })

  test('replies before a fault count, those after it do not', () => {
    const parsed = parse('250 a\r\nbogus\r\n250 b\r\n', '250 c\r\n')
    assert.deepEqual(parsed.replies, [{ code: 250, lines: ['a'] }])
    assert.equal(parsed.fault, 'malformed-reply')
  })

  test('half a reply is unfinished, and so is a reply without its last line', () => {
    assert.equal(parse('250 o').unfinished, true)
    assert.equal(parse('250-o\r\n').unfinished, true)
  })

  test('limits count each reply for itself', () => {
    assert.equal(parse(...Array.from({ length: 200 }, () => `250 ${'x'.repeat(1000)}\r\n`)).fault, undefined)
  })
})

describe('properties', () => {
  const line = fc.tuple(
    fc.integer({ min: 100, max: 699 }),
    fc.constantFrom('-', ' ', '', 'x'),
    fc.string({ unit: 'binary', maxLength: 20 }),
  )
  const dialogue = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: line.map(([code, separator, text]) => Buffer.from(`${code}${separator}${text}\r\n`)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)) },
    ),
    { maxLength: 12 },
  )

  test('any chunking gives the same replies and the same fault, and nothing throws', () => {
    fc.assert(
      fc.property(
        dialogue,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }),
        (pieces, sizes) => {
          const bytes = Buffer.concat(pieces)
          const chunks: Buffer[] = []
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1
            chunks.push(bytes.subarray(at, at + size))
            at += size
          }
          const whole = parse(bytes)
          const chunked = parse(...chunks)
          assert.deepEqual(chunked.replies, whole.replies)
          assert.equal(chunked.fault, whole.fault)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('whatever is quoted stays on one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        for (const { lines } of parse(`250 ${text}\r\n`).replies) {
          for (const quoted of lines) assert.doesNotMatch(quoted, /[\p{Cc}\p{Zl}\p{Zp}]/u)
        }
      }),
    )
  })
})
