/** A listener that takes no mail for a while: who comes hears it, and what was begun is finished. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFixture } from './listener.fixture.ts'

const MESSAGE = 'From: <a@example.com>\r\nSubject: x\r\n\r\nHello\r\n'

test('new sessions are answered 421 4.3.2, and served again afterwards', async (t) => {
  const fixture = await startFixture()
  t.after(() => fixture.close())
  fixture.listener.drain()
  const refused = await fixture.open()
  assert.match(textOf(await refused.reply()), /^421 4\.3\.2 /)
  assert.equal(await refused.reply(), undefined)
  const [refusal] = fixture.events.filter(({ event }) => event === 'session-refused')
  assert.equal(refusal?.event === 'session-refused' && refusal.reason, 'draining')
  fixture.listener.resume()
  const served = await fixture.open()
  assert.match(textOf(await served.reply()), /^220 /)
})

test('a session without a message ends at once, one with a message when it is stored', async (t) => {
  const fixture = await startFixture()
  t.after(() => fixture.close())
  const idle = await fixture.ready()
  const busy = await fixture.ready()
  await busy.command('MAIL FROM:<a@example.com>')
  await busy.command('RCPT TO:<b@example.org>')
  assert.match(textOf(await busy.command('DATA')), /^354 /)
  fixture.listener.drain()
  assert.match(textOf(await idle.reply()), /^421 4\.3\.2 /)
  assert.match(textOf(await busy.command(`${MESSAGE}.`)), /^250 /)
  assert.match(textOf(await busy.reply()), /^421 4\.3\.2 /)
  assert.equal(fixture.accepted.length, 1)
})

test('before TLS nothing can be said: the connection is closed', async (t) => {
  const fixture = await startFixture({ listener: { tls: 'implicit' } })
  t.after(() => fixture.close())
  fixture.listener.drain()
  await assert.rejects(fixture.open())
})

function textOf(reply: { readonly lines: readonly string[] } | undefined): string {
  return reply?.lines.join('\n') ?? 'closed'
}
