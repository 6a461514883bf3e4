/** RFC 6409 §5.3: a disk that hangs does not hang the clients, and what they were told stays true when it moves again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpoolFaults } from '../../packages/mta/src/spool/faults.ts'
import { covers } from '../conformance/covers.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import type { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

/** In production a minute. */
const ACCEPT_MS = 200

async function submit(client: SmtpDialogue, subject: string): Promise<string> {
  for (const line of ['MAIL FROM:<jane@example.test>', 'RCPT TO:<joe@example.org>', 'DATA']) {
    const reply = await client.command(line)
    if (reply.code >= 400) return reply.text
  }
  return (await client.command(`From: <jane@example.test>\r\nSubject: ${subject}\r\n\r\nhi\r\n.`)).text
}

test('SUB-15: while the store hangs the client gets 451 in time; its message is not sent later, the next one is', async () => {
  covers('SUB-15', { observe: 'smtp' })
  const faults = new SpoolFaults()
  await using mx = await ScriptedMx.start()
  await using whole = await WholeRelay.start({
    settings: `[[listener]]
kind = "submission"
port = 0
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${mx.port}`,
    records: { 'example.org': { MX: [[10, 'mx.example.org']] }, 'mx.example.org': { A: [mx.address] } },
    spoolHooks: { faults, acceptMs: ACCEPT_MS, probeIntervalMs: 10 },
  })
  const client = await whole.greeted()
  faults.arm('before-commit', { act: 'hang' })
  try {
    const started = performance.now()
    assert.match(await submit(client, 'late'), /^451 4\.3\.0 /)
    assert.ok(performance.now() - started < 10_000)
    assert.match((await client.command('MAIL FROM:<jane@example.test>')).text, /^452 4\.3\.0 /)
  } finally {
    faults.disarm('before-commit')
  }
  await whole.until(() => whole.eventsOf('spool-recovered').length > 0)
  assert.match(await submit(client, 'next'), /^250 2\.0\.0 /)
  await client.quit()
  await mx.received(1)
  await whole.until(() => whole.eventsOf('message-settled').length > 0)
  assert.deepEqual(
    mx.messages.map(({ content }) => /^Subject: (.*)\r$/m.exec(content.toString())?.[1]),
    ['next'],
  )
})
