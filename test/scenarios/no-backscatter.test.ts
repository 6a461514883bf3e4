/** RFC 5321 §6.2, §7.9: what strangers send is refused while they are there; nobody gets a bounce of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const SETTINGS = `
[[listener]]
kind = "submission"
port = 0
tls = "none"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["192.0.2.0/24"]
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
const [SUBMISSION, STRANGE, TRUSTED] = [0, 1, 2]

test('DSN-21: a stranger with a recipient in an unknown domain is refused in the session; only a trusted client causes a bounce', async () => {
  covers('DSN-21', { observe: 'smtp' })
  await using mx = await ScriptedMx.start()
  await using whole = await WholeRelay.start({
    settings: `${SETTINGS}[delivery]\nport = ${mx.port}`,
    records: { 'victim.test': { MX: [[10, 'mx.victim.test']] }, 'mx.victim.test': { A: [mx.address] } },
  })

  const submission = await whole.greeted(SUBMISSION)
  assert.match((await submission.command('MAIL FROM:<jane@victim.test>')).text, /^530 5\.7\.0 /)
  assert.match((await submission.command('RCPT TO:<joe@unknown.test>')).text, /^503 /)
  assert.match((await submission.command('DATA')).text, /^503 /)
  await submission.quit()

  const stranger = await whole.greeted(STRANGE)
  await stranger.command('MAIL FROM:<jane@victim.test>')
  assert.match((await stranger.command('RCPT TO:<joe@unknown.test>')).text, /^554 5\.7\.1 /)
  assert.match((await stranger.command('DATA')).text, /^503 /)
  await stranger.quit()

  const trusted = await whole.greeted(TRUSTED)
  for (const line of ['MAIL FROM:<trusted@victim.test>', 'RCPT TO:<joe@unknown.test>', 'DATA']) {
    assert.ok((await trusted.command(line)).code < 400, line)
  }
  assert.equal((await trusted.command('From: <trusted@victim.test>\r\n\r\nhi\r\n.')).code, 250)
  await trusted.quit()

  // The one bounce that there is was queued last: the strangers' would have come before it.
  await mx.received(1)
  assert.deepEqual(
    mx.messages.map(({ recipients }) => recipients.map(({ address }) => address)),
    [['trusted@victim.test']],
  )
  await whole.until(() => whole.eventsOf('dsn-queued').length > 0)
  assert.deepEqual([whole.eventsOf('message-accepted').length, whole.eventsOf('dsn-queued').length], [1, 1])
})
