/** RFC 6152, RFC 3030 §3: content of more than seven bits, from a client to the next host's wire. */
import assert from 'node:assert/strict'
import { isAscii } from 'node:buffer'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { DkimKeys } from '../lab/dkim-keys.ts'
import { RouteWorld } from '../lab/route-world.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'

const SMART = 'smart.test'
const MIME = 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n'

const LISTENER =
  '[[listener]]\nkind = "submission"\nport = 0\nrequire_auth = false\ntls = "none"\nallow_networks = ["127.0.0.0/8"]\n'

function world(capabilities: readonly string[] = DEFAULT_CAPABILITIES, settings = LISTENER): Promise<RouteWorld> {
  return RouteWorld.start({
    hosts: { [SMART]: { capabilities } },
    settings,
    routes: (port) => `[[route]]\ndomain = "*"\nhost = "${SMART}"\nport = ${port(SMART)}\n`,
  })
}

interface Handed {
  readonly listener?: number
  readonly mail?: string
  readonly fields?: string
  readonly body: string | Buffer
}

/** The reply to what is handed in: of DATA, or of MAIL when that was refused. */
async function hand({ relay }: RouteWorld, { listener = 0, mail = '', fields = '', body }: Handed): Promise<string> {
  const client = await relay.greeted(listener)
  const begun = await client.command(`MAIL FROM:<app@sender.test>${mail}`)
  if (begun.code !== 250) return begun.lines[0] ?? ''
  await client.command('RCPT TO:<bob@example.test>')
  await client.command('DATA')
  client.send(
    Buffer.concat([Buffer.from(`From: <app@sender.test>\r\nSubject: eight\r\n${fields}\r\n`), Buffer.from(body)]),
  )
  client.send('\r\n.\r\n')
  const reply = await client.reply()
  await client.quit()
  return reply?.lines[0] ?? ''
}

for (const [listener, kind] of ['relay', 'submission'].entries()) {
  test(`EXT-08: 8-bit text that is not MIME is refused, and never sent as 8BITMIME (${kind})`, async () => {
    covers('EXT-08', { observe: 'smtp' })
    await using smart = await world()
    for (const mail of ['', ' BODY=8BITMIME']) {
      assert.match(await hand(smart, { listener, mail, body: 'Grüße' }), /^55\d 5\.6\.\d/)
    }
    assert.match(await hand(smart, { listener, fields: MIME, body: 'Grüße' }), /^250 /)
    const host = smart.host(SMART)
    await host.received(1)
    assert.equal(host.messages.length, 1)
    assert.match(host.messages[0]?.mail ?? '', / BODY=8BITMIME/)
    assert.match(host.messages[0]?.content.toString() ?? '', /\r\n\r\nGrüße\r\n$/)
  })
}

test('EXT-12: binary content is not offered and not taken, so that none of it is ever sent', async () => {
  covers('EXT-12', { observe: 'smtp' })
  await using smart = await world([...DEFAULT_CAPABILITIES, 'CHUNKING', 'BINARYMIME'])
  const client = await smart.relay.greeted()
  const { lines } = await client.command('EHLO client.test')
  assert.ok(!lines.some((line) => /BINARYMIME|CHUNKING/.test(line)), lines.join())
  assert.match((await client.command('MAIL FROM:<app@sender.test> BODY=BINARYMIME')).lines[0] ?? '', /^5\d\d 5\.5\.4/)
  await client.quit()
  const octets = Buffer.from([0x00, 0xff, 0x0a, 0x80])
  const fields = MIME.replace('8bit', 'binary')
  assert.match(await hand(smart, { fields, body: octets }), /^(?:5|4)\d\d |^$/)
  assert.match(await hand(smart, { fields, body: Buffer.alloc(1_200, 0x80) }), /^55\d 5\.6\.\d/)
  assert.match(await hand(smart, { fields: MIME, body: 'Grüße' }), /^250 /)
  const host = smart.host(SMART)
  await host.received(1)
  assert.equal(host.messages.length, 1)
  assert.doesNotMatch(host.messages[0]?.mail ?? '', /BINARYMIME/)
})

test('DKIM-10, EXT-07: towards a host of seven bits a listener encodes before it signs, and the signature verifies', async () => {
  covers(['DKIM-10', 'EXT-07'], { observe: 'smtp' })
  await using stack = new AsyncDisposableStack()
  const keys = stack.use(new DkimKeys(['sender.test']))
  const settings = `${LISTENER}encode_8bit = true\n${keys.settings}`
  const smart = stack.use(await world(['PIPELINING', 'ENHANCEDSTATUSCODES'], settings))
  assert.match(await hand(smart, { listener: 1, mail: ' BODY=8BITMIME', fields: MIME, body: 'Grüße' }), /^250 /)
  const host = smart.host(SMART)
  await host.received(1)
  const [message] = host.messages
  assert.doesNotMatch(message?.mail ?? '', /BODY/)
  const content = message?.content ?? Buffer.alloc(0)
  assert.match(content.toString(), /Content-Transfer-Encoding: quoted-printable\r\n(?:.*\r\n)*\r\nGr=C3=BC=C3=9Fe\r\n$/)
  assert.deepEqual(await keys.verify(content), ['sender.test/r1 pass', 'sender.test/e1 pass'])
})

test('EXT-07: without that, mail in eight bits for such a host is returned, and never sent as it is', async () => {
  covers('EXT-07', { observe: 'smtp' })
  await using smart = await world(['PIPELINING', 'ENHANCEDSTATUSCODES'])
  assert.match(await hand(smart, { fields: MIME, body: 'Grüße' }), /^250 /)
  await smart.relay.until(() => smart.relay.eventsOf('message-settled').length > 0)
  const [settled] = smart.relay.eventsOf('message-settled')
  assert.deepEqual([settled?.summary.failed, settled?.problem?.status], [1, '5.6.3'])
  // What goes there is the notification.
  for (const { reversePath, content } of smart.host(SMART).messages) {
    assert.equal(reversePath, '')
    assert.ok(isAscii(content))
  }
})
