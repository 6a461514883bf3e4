/** RFC 4954 §5: whose word about the submitter of a message goes on to a smarthost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { RouteWorld } from '../lab/route-world.ts'

const SMART = 'smart.test'
const LOGIN = { username: 'shop@example.com', password: 'correct horse battery staple' }

function world(login: boolean): Promise<RouteWorld> {
  const access = login ? `username = "${LOGIN.username}"\npassword = "${LOGIN.password}"\n` : ''
  return RouteWorld.start({
    hosts: { [SMART]: login ? { credentials: LOGIN } : {} },
    settings: '[[listener]]\nkind = "relay"\nport = 0\ntls = "starttls"\nallow_networks = ["127.0.0.0/8"]\n',
    routes: (port) => `[[route]]\ndomain = "*"\nhost = "${SMART}"\nport = ${port(SMART)}\n${access}`,
  })
}

async function submitAs(world: RouteWorld, auth: string): Promise<string> {
  const client = await world.relay.greeted(1)
  await client.startTls()
  await client.command('EHLO client.example.test')
  assert.equal((await client.command(`MAIL FROM:<app@sender.test> AUTH=${auth}`)).code, 250)
  await client.command('RCPT TO:<bob@example.test>')
  await client.command('DATA')
  client.send('From: <app@sender.test>\r\nSubject: who\r\n\r\nhello\r\n.\r\n')
  assert.equal((await client.reply())?.code, 250)
  await client.quit()
  await world.host(SMART).received(1)
  return world.host(SMART).messages[0]?.mail ?? ''
}

for (const auth of ['mallory@example.net', '<>']) {
  test(`EXT-20: to a smarthost that we log in to goes AUTH=<>, whatever a client says (${auth})`, async () => {
    covers('EXT-20', { observe: 'smtp' })
    await using smart = await world(true)
    assert.match(await submitAs(smart, auth), /^MAIL FROM:<app@sender\.test> .*AUTH=<>$/)
  })
}

test('EXT-20: where nobody has logged in nothing is said', async () => {
  covers('EXT-20', { observe: 'smtp' })
  await using smart = await world(false)
  assert.doesNotMatch(await submitAs(smart, 'mallory@example.net'), /AUTH/)
})
