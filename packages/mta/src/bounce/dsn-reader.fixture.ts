/**
 * A reader of notifications for tests that shares nothing with the writer, and what must hold for every one of them.
 * Texts have one character for each octet.
 */
import assert from 'node:assert/strict'

/** Header lines, then the parts between the boundary lines. */
export function read(text: string) {
  const [header = '', ...rest] = text.split('\r\n\r\n')
  const boundary = /boundary="([^"]+)"/.exec(header)?.[1]
  const sections = rest.join('\r\n\r\n').split(new RegExp(`(?:^|\r\n)--${boundary}(?:--)?\r\n`))
  const parts = sections.slice(1, -1).map((section) => {
    const [partHeader = '', ...body] = section.split('\r\n\r\n')
    return { header: partHeader, body: body.join('\r\n\r\n'), type: /^Content-Type: ([^;\r]+)/m.exec(partHeader)?.[1] }
  })
  const groups = (parts[1]?.body ?? '').split('\r\n\r\n').map((group) => {
    const fields = group
      .replace(/\r\n(?=[ \t])/g, '')
      .split('\r\n')
      .filter((line) => line !== '')
    return new Map(fields.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
  })
  return { header, parts, perMessage: groups[0] ?? new Map(), perRecipient: groups.slice(1) }
}

/** What must hold for every message we compose (RFC 5322 §2.1, §2.2, §4; RFC 5321 §4.5.3.1.6). */
export function lint(text: string, { eightBit = false } = {}): void {
  assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n|\0/, 'CR and LF only as CRLF')
  for (const line of text.split('\r\n'))
    assert.ok(Buffer.byteLength(line, 'latin1') <= 998, `a line of ${line.length} octets`)
  const header = text.slice(0, text.indexOf('\r\n\r\n'))
  if (eightBit) assertLabelled(text)
  else assert.match(text, /^\p{ASCII}*$/u)
  const names = header.replace(/\r\n[ \t]/g, ' ').split('\r\n')
  for (const line of names) assert.match(line, /^[!-9;-~]+: \S/)
  for (const line of header.split('\r\n')) assert.match(line, /\S/, 'no line of white space only')
  const expected = [
    'Date',
    'From',
    'To',
    'Subject',
    'Message-ID',
    'In-Reply-To',
    'Auto-Submitted',
    'MIME-Version',
    'Content-Type',
  ]
  assert.deepEqual(
    names.map((line) => line.slice(0, line.indexOf(':'))),
    expected.filter((name) => name !== 'In-Reply-To' || header.includes('\r\nIn-Reply-To:')),
  )
}

/** Octets above 127 only in parts that say so, and in the address of a receiver whose mail needs SMTPUTF8. */
function assertLabelled(text: string): void {
  const { header, parts } = read(text)
  assert.match(header.replace(/^To: .*$/m, ''), /^\p{ASCII}*$/u)
  for (const part of parts) {
    if (/\P{ASCII}/u.test(part.body)) assert.match(part.header, /^Content-Transfer-Encoding: 8bit$/m)
  }
}
