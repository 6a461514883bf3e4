/**
 * Addresses that refuse mail for good: after so many refusals the relay takes no more for them, gives back what it has,
 * tells the sender why, and lets an operator end it. The whole relay, with a mail exchanger that refuses.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import type { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const NOBODY = 'nobody@gone.example.test'

interface World extends AsyncDisposable {
  readonly relay: WholeRelay
  readonly mx: ScriptedMx
}

async function world(settings: string): Promise<World> {
  const mx = await ScriptedMx.start({
    script: {
      RCPT: ({ recipient }) => (recipient?.startsWith('nobody@') ? '550 5.1.1 <nobody> User unknown' : undefined),
    },
  })
  const relay = await WholeRelay.start({
    settings: `postmaster = "postmaster@example.test"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${mx.port}
[suppression]
enabled = true
${settings}`,
    records: {
      'gone.example.test': { MX: [[10, 'mx.example.test']] },
      'sender.example.test': { MX: [[10, 'mx.example.test']] },
      'mx.example.test': { A: [mx.address] },
    },
  })
  return {
    relay,
    mx,
    [Symbol.asyncDispose]: async () => {
      await relay[Symbol.asyncDispose]()
      await mx[Symbol.asyncDispose]()
    },
  }
}

async function send(dialogue: SmtpDialogue, ...to: readonly string[]): Promise<readonly string[]> {
  await dialogue.command('MAIL FROM:<app@sender.example.test>')
  const replies: string[] = []
  for (const recipient of to) replies.push((await dialogue.command(`RCPT TO:<${recipient}>`)).text)
  if (replies.every((reply) => !reply.startsWith('250'))) await dialogue.command('RSET')
  else {
    assert.equal((await dialogue.command('DATA')).code, 354)
    const reply = await dialogue.command('From: app@sender.example.test\r\nSubject: x\r\n\r\nx\r\n.')
    assert.equal(reply.code, 250, reply.text)
  }
  return replies
}

describe('suppression', () => {
  test('after the refusals that the rule wants, RCPT says why not, and others get their mail', async () => {
    await using here = await world('strikes = 2')
    const { relay, mx } = here
    const dialogue = await relay.greeted()
    for (let bounces = 1; bounces <= 2; bounces += 1) {
      assert.match((await send(dialogue, NOBODY))[0] ?? '', /^250 /)
      await relay.until(() => relay.eventsOf('dsn-queued').length === bounces)
    }
    await relay.until(() => relay.eventsOf('address-suppressed').length === 1)
    const [event] = relay.eventsOf('address-suppressed')
    assert.deepEqual([event?.recipient, event?.by, event?.status], [NOBODY, 'bounces', '5.1.1'])
    const [refused, accepted] = await send(dialogue, 'NOBODY@Gone.example.test', 'else@gone.example.test')
    assert.match(
      refused ?? '',
      /^550 5\.7\.1 This recipient is suppressed until \d{4}-\d\d-\d\d, because its servers refused mail for it \(5\.1\.1\)/,
    )
    assert.match(accepted ?? '', /^250 /)
    await relay.until(() => mx.messages.some(({ recipients }) => recipients[0]?.address === 'else@gone.example.test'))
    await dialogue.quit()
  })

  test('mail that was accepted before comes back at once, and the notification says why', async () => {
    await using here = await world('strikes = 1')
    const { relay, mx } = here
    mx.script = { RCPT: ({ recipient }) => (recipient?.includes('gone') ? '451 4.3.0 Later' : undefined) }
    const dialogue = await relay.greeted()
    await send(dialogue, NOBODY)
    await relay.until(() => relay.eventsOf('attempt-finished').length > 0)
    await relay.until(() => relay.eventsOf('message-settled').length > 0)
    using lab = new TerminalLab()
    lab.now = Date.now()
    const config = ['--config', relay.file] as const
    const added = await lab.run('suppression', 'add', NOBODY, '--reason', 'left the company', ...config)
    assert.equal(added.code, 0, added.err)
    const dialled = mx.connections.length
    const retried = await lab.run('queue', 'retry', '--all', '--yes', ...config)
    assert.equal(retried.code, 0, retried.err)
    await relay.until(() => mx.messages.length === 1)
    const [dsn] = mx.messages
    assert.equal(dsn?.reversePath, '')
    const text = dsn?.content.toString() ?? ''
    assert.match(text, /Status: 5\.7\.1/)
    assert.match(
      text.replace(/\s+/g, ' '),
      /sends nothing to this address until \d{4}-\d\d-\d\d, because its operator said so/,
    )
    assert.ok(mx.connections.slice(dialled).every(({ commands }) => commands.every((line) => !line.includes('nobody'))))
    await dialogue.quit()
  })

  test('operators see the list and end an entry', async () => {
    await using here = await world('strikes = 1')
    const { relay } = here
    const dialogue = await relay.greeted()
    await send(dialogue, NOBODY)
    await relay.until(() => relay.eventsOf('address-suppressed').length === 1)
    using lab = new TerminalLab()
    lab.now = Date.now()
    const config = ['--config', relay.file] as const
    const json = await lab.run('suppression', 'list', '--json', ...config)
    const entry = JSON.parse(json.out)
    assert.deepEqual([entry.address, entry.by, entry.status], [NOBODY, 'bounces', '5.1.1'])
    assert.match(
      (await lab.run('suppression', 'list', ...config)).out,
      /nobody@gone\.example\.test +29d 23h +bounces +5\.1\.1/,
    )
    assert.equal((await lab.run('suppression', 'remove', NOBODY, ...config)).code, 0)
    assert.equal((await lab.run('suppression', 'remove', NOBODY, ...config)).code, 1)
    assert.equal(relay.eventsOf('suppression-ended').length, 1)
    assert.match((await send(dialogue, NOBODY))[0] ?? '', /^250 /)
    await dialogue.quit()
  })

  test('is off unless it is asked for, and the command line says so', async () => {
    using lab = new TerminalLab()
    const { code, err } = await lab.run('suppression', 'list')
    assert.equal(code, 1)
    assert.match(err, /\[suppression\] enabled = false/)
  })
})
