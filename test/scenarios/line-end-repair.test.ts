/** RFC 6409 §8: what `repair_line_ends` does to a message on its way through the whole relay. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const LINES = [
  'From: jane@example.test',
  'Date: Sun, 22 Nov 2026 08:37:00 +0000',
  'Message-ID: <1@example.test>',
  '',
  'one',
  'two',
  '',
]

// That a signature made later verifies is the other half of the item; it is proven where messages are signed.
test('SMUG-07: submission in LF lines is refused; with the switch on it leaves in CRLF lines', async () => {
  covers('SMUG-07', { observe: 'smtp' })
  await using mx = await ScriptedMx.start()
  const listener = '[[listener]]\nkind = "submission"\nport = 0\ntls = "none"\nrequire_auth = false\n'
  const networks = 'allow_networks = ["127.0.0.0/8"]\n'
  await using whole = await WholeRelay.start({
    settings: `${listener}${networks}${listener}${networks}repair_line_ends = true\n[delivery]\nport = ${mx.port}`,
    records: { 'example.org': { MX: [[10, 'mx.example.org']] }, 'mx.example.org': { A: [mx.address] } },
  })
  const replies: string[] = []
  for (const place of [0, 1]) {
    const client = await whole.greeted(place)
    for (const line of ['MAIL FROM:<jane@example.test>', 'RCPT TO:<joe@example.org>', 'DATA']) {
      assert.ok((await client.command(line)).code < 400, line)
    }
    // Only the end of the content is never repaired.
    replies.push((await client.command(`${LINES.join('\n')}\r\n.`)).text)
    await client.quit()
  }
  assert.match(replies[0] ?? '', /^550 5\.6\.0 /)
  assert.match(replies[1] ?? '', /^250 2\.0\.0 /)
  await mx.received(1)
  const text = mx.messages[0]?.content.toString('latin1') ?? ''
  assert.equal(text.slice(text.indexOf('From:')), `${LINES.join('\r\n')}\r\n`)
  assert.equal(mx.messages.length, 1)
  assert.doesNotMatch(text, /(?<!\r)\n|\r(?!\n)/)
})
