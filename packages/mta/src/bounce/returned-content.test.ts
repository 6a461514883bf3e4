import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { envelope } from './dsn.fixture.ts'
import { headerSection, originalMessageId, RETURNED_CONTENT_LIMIT, returnedContent } from './returned-content.ts'

const WANTED = { failed: true, international: false } as const

describe('the returned part (RFC 3461 §6.2, RFC 6522 §3)', () => {
  test('a message over the limit is returned as its header section, even when all of it is at hand', () => {
    const body = `${'y'.repeat(70)}\r\n`.repeat(Math.ceil(RETURNED_CONTENT_LIMIT / 72))
    const content = Buffer.from(`Subject: big\r\n\r\n${body}`)
    const returned = returnedContent(content, envelope({ dsn: { ret: 'FULL' }, size: content.length }), WANTED)
    assert.deepEqual(returned, { contentType: 'text/rfc822-headers', encoding: '7bit', body: 'Subject: big\r\n' })
  })

  test('a header section over its limit is cut before a field, never inside one', () => {
    const field = `X-T: a\r\n ${'b'.repeat(94)}\r\n`
    const cut = headerSection(`${field.repeat(500)}\r\nbody\r\n`)
    assert.ok(cut.length <= 32_768 && cut.length > 32_000, `${cut.length} octets`)
    assert.equal(cut.length % field.length, 0)
    assert.equal(headerSection(`X: ${'a'.repeat(40_000)}\r\n\r\n`), '')
  })

  for (const [what, text, header] of [
    ['ends at the empty line', 'A: 1\r\nB: 2\r\n\r\nC: 3\r\n\r\n', 'A: 1\r\nB: 2\r\n'],
    ['is the whole text when there is no body', 'A: 1\r\n', 'A: 1\r\n'],
    ['is closed when the text breaks off', 'A: 1\r\nB: 2', 'A: 1\r\nB: 2\r\n'],
    ['is empty when the content begins with the body', '\r\nA: 1\r\n\r\nrest', ''],
  ] as const) {
    test(`the header section ${what}`, () => assert.equal(headerSection(text), header))
  }

  for (const [what, header, id] of [
    ['plain', 'Subject: x\r\nmessage-id: <a@b.example>\r\n\r\n', '<a@b.example>'],
    ['on a folded line', 'Message-ID:\r\n <a@b.example>\r\n\r\n', '<a@b.example>'],
    ['only in the body', 'Subject: x\r\n\r\nMessage-ID: <a@b.example>\r\n', undefined],
    ['with more behind it', 'Message-ID: <a@b.example> <c@d.example>\r\n\r\n', undefined],
    ['without a domain', 'Message-ID: <a>\r\n\r\n', undefined],
    ['in a longer name', 'X-Message-ID: <a@b.example>\r\n\r\n', undefined],
  ] as const) {
    test(`a Message-ID ${what} is ${id ?? 'not answered'}`, () =>
      assert.equal(originalMessageId(Buffer.from(header)), id))
  }
})
