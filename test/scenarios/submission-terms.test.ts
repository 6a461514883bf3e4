/** What a login and a network may, as the whole relay keeps to it, on either engine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { hashToken } from '../../packages/mta/src/submission/secret-hash.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const SETTINGS = `postmaster = "postmaster@example.test"
[[listener]]
kind = "submission"
port = 0
tls = "implicit"
[[credential]]
username = "shop"
secret_hash = "${hashToken('secret')}"
allowed_senders = ["@shop.example.test"]
tag = "orders"
priority = 3
message_rate = "3/1h"
[[network_quota]]
network = "127.0.0.0/8"
recipient_rate = "4/1h"
[delivery]
port = 9
`

/** A host where nobody listens: mail waits. */
const RECORDS = {
  'example.test': { MX: [[10, 'mx.example.test']] },
  'mx.example.test': { A: ['127.0.0.1'] },
} as const

async function loggedIn(relay: WholeRelay): Promise<SmtpDialogue> {
  const dialogue = await SmtpDialogue.open({ port: relay.relay.listeners[0]?.listener.port ?? 0, tls: {} })
  await dialogue.reply()
  await dialogue.command('EHLO client.example.test')
  const pair = Buffer.from('\0shop\0secret').toString('base64')
  assert.equal((await dialogue.command(`AUTH PLAIN ${pair}`)).code, 235)
  return dialogue
}

async function send(dialogue: SmtpDialogue, to: readonly string[], from = 'a@shop.example.test'): Promise<string> {
  await dialogue.command('MAIL FROM:<a@shop.example.test>')
  for (const one of to) await dialogue.command(`RCPT TO:<${one}>`)
  const data = await dialogue.command('DATA')
  if (data.code !== 354) return data.text
  return (await dialogue.command(`From: ${from}\r\nSubject: x\r\n\r\nx\r\n.`)).text
}

test('senders, quotas, tag and priority of a login, and the quota of its network', async () => {
  await using relay = await WholeRelay.start({ settings: SETTINGS, records: RECORDS })
  const dialogue = await loggedIn(relay)
  assert.match(await send(dialogue, ['b@example.test'], 'ceo@example.test'), /^550 5\.7\.1 /)
  assert.match(await send(dialogue, ['b@example.test']), /^250 /)
  const [accepted] = relay.eventsOf('message-accepted')
  assert.deepEqual([accepted?.tag, accepted?.priority, accepted?.username], ['orders', 3, 'shop'])
  // Two messages with one recipient each are gone from the network's four recipients, the refused one included.
  const many = await send(dialogue, ['c@example.test', 'd@example.test', 'e@example.test'])
  assert.match(many, /^450 4\.7\.1 Too many recipients from your network, try again in \d+ s/)
  assert.match(await send(dialogue, ['c@example.test', 'd@example.test']), /^250 /)
  assert.match(
    await send(dialogue, ['f@example.test']),
    /^450 4\.7\.1 Too many messages from this account, try again in 1[12]\d\d s/,
  )
  assert.deepEqual(
    relay.eventsOf('quota-exhausted').map(({ of, counts }) => [of, counts]),
    [
      ['network', 'recipients'],
      ['login', 'messages'],
    ],
  )
  using lab = new TerminalLab()
  const shown = await lab.run('queue', 'list', '--json', '--config', relay.file)
  const [entry] = shown.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual([entry?.envelope.tag, entry?.envelope.priority], ['orders', 3])
  await dialogue.quit()
})
