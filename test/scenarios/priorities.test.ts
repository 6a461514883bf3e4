/** RFC 6710 from the login to the next hop: what is offered, what is lowered, in which order mail leaves, what is passed on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { deliveryRecord } from '../../packages/mta/src/observability/delivery-record.ts'
import { hashToken } from '../../packages/mta/src/submission/secret-hash.ts'
import { RelayWorld } from '../lab/relay-world.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const MX = 'mx.example.test'
const SETTINGS = `postmaster = "postmaster@example.test"
[[listener]]
kind = "submission"
port = 0
tls = "implicit"
[[credential]]
username = "shop"
secret_hash = "${hashToken('secret')}"
max_priority = 5
[delivery]
port = 9
`
/** A host where nobody listens: mail waits. */
const RECORDS = { 'example.test': { MX: [[10, MX]] }, [MX]: { A: ['127.0.0.1'] } } as const

test('submission offers MT-PRIORITY with its policy, lowers what is too high and says so, and the queue shows it', async () => {
  await using relay = await WholeRelay.start({ settings: SETTINGS, records: RECORDS })
  const dialogue = await SmtpDialogue.open({ port: relay.relay.listeners[0]?.listener.port ?? 0, tls: {} })
  await dialogue.reply()
  assert.match((await dialogue.command('EHLO client.example.test')).text, /^250[ -]MT-PRIORITY MIXER$/m)
  const pair = Buffer.from('\0shop\0secret').toString('base64')
  assert.equal((await dialogue.command(`AUTH PLAIN ${pair}`)).code, 235)
  await dialogue.command('MAIL FROM:<a@example.test> MT-PRIORITY=9')
  await dialogue.command('RCPT TO:<b@example.test>')
  await dialogue.command('DATA')
  const { text } = await dialogue.command('From: a@example.test\r\nSubject: x\r\n\r\nx\r\n.')
  const [, id = ''] = /^250 2\.3\.6 5 is the priority of this message\. Ok: queued as (\S+)/.exec(text) ?? []
  using lab = new TerminalLab()
  assert.match((await lab.run('queue', 'show', id, '--config', relay.file)).out, /priority 5 \(urgent\)/)
  await dialogue.quit()
})

test('urgent mail leaves first and bulk last, and a next hop that knows priorities is told', async () => {
  await using world = await RelayWorld.start({
    hosts: { [MX]: { tls: 'none', capabilities: ['PIPELINING', 'MT-PRIORITY MIXER'] } },
    mx: { 'example.test': [[10, MX]] },
    permitsPerSite: 1,
  })
  for (const priority of [-9, 0, 3, 4])
    await world.submit({ to: [`p${priority}@example.test`], envelope: { priority }, quiet: true })
  await world.submit({ to: ['p9@example.test'], envelope: { priority: 9 } })
  const { messages } = world.mx(MX)
  await world.until(() => messages.length === 5)
  assert.deepEqual(
    messages.map(({ mail }) => / MT-PRIORITY=(\S+)/.exec(mail)?.[1]),
    ['4', '9', undefined, '3', '-9'],
  )
  await world.until(() => world.eventsOf('attempt-finished').length === 5)
  const told = world.eventsOf('attempt-finished').map((attempt) => deliveryRecord(attempt).priority)
  assert.deepEqual(told, [4, 9, 0, 3, -9])
})
