/**
 * Limits that an operator writes: how many connections a provider gets, and how many messages in a time. What is beyond
 * waits in the queue, nothing is refused, and whoever asks is told what mail waits for. The whole relay.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runHermetic } from '../lab/command-lab.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const RELAY = `postmaster = "postmaster@example.test"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`

function relayTo(mx: ScriptedMx, settings: string): Promise<WholeRelay> {
  return WholeRelay.start({
    settings: `${RELAY}${settings}[delivery]\nport = ${mx.port}\n`,
    records: {
      'one.test': { MX: [[10, 'one-test.mail.big.test']] },
      'two.test': { MX: [[10, 'two-test.mail.big.test']] },
      'one-test.mail.big.test': { A: [mx.address] },
      'two-test.mail.big.test': { A: [mx.address] },
    },
  })
}

async function send(relay: WholeRelay, recipients: readonly string[]): Promise<readonly string[]> {
  const session = await relay.greeted()
  const ids: string[] = []
  for (const recipient of recipients) {
    await session.command('MAIL FROM:<a@example.test>')
    await session.command(`RCPT TO:<${recipient}>`)
    await session.command('DATA')
    const { text } = await session.command('Subject: x\r\n\r\nhi\r\n.')
    ids.push(/queued as (\S+)/.exec(text)?.[1] ?? text)
  }
  await session.command('QUIT')
  return ids
}

test('hosts of one provider share its connections, whatever domain the mail is for', async () => {
  let open = 0
  let most = 0
  await using mx = await ScriptedMx.start({
    script: {
      MAIL: async () => {
        open += 1
        most = Math.max(most, open)
        await new Promise((resolve) => setTimeout(resolve, 60))
        open -= 1
        return undefined
      },
    },
  })
  await using relay = await relayTo(mx, '[[limit]]\nname = "big"\nmx = ["*.big.test"]\nconnections = 1\n')
  await send(relay, ['a@one.test', 'a@two.test', 'b@one.test', 'b@two.test'])
  await relay.until(() => mx.messages.length === 4)
  assert.equal(most, 1)
})

test('a rate lets mail wait, and explain, queue show and metrics tell that it does', async () => {
  await using mx = await ScriptedMx.start()
  await using relay = await relayTo(mx, '[[limit]]\nname = "slow"\ndomain = ["one.test"]\nrate = "2/1h"\nburst = 2\n')
  const ids = await send(relay, ['a@one.test', 'b@one.test', 'c@one.test', 'd@two.test'])
  await relay.until(() => relay.eventsOf('message-settled').length === 3)
  const delivered = new Set(relay.eventsOf('message-settled').map(({ id }) => String(id)))
  const waiting = ids.find((id) => !delivered.has(id)) ?? ''
  let shown = ''
  const giveUpAt = performance.now() + 10_000
  while (!shown.includes('waits because') && performance.now() < giveUpAt) {
    shown = (await runHermetic(relay.file, 'queue', 'show', waiting)).out
  }
  assert.match(shown, /Lane mx:one\.test:\d+: queued, 0 tries/)
  assert.match(
    shown,
    /waits because its turn under the rate has not come; limit "slow": 20 connections at once, fewer while it fails, 2\/1h messages with 2 at once to limit:slow/,
  )
  const { out } = await runHermetic(relay.file, 'explain', 'one.test')
  assert.match(out, /^Limits\n {2}limit "slow": .*\n {2}mail waits for its turn under the rate now$/m)
  const { limits } = JSON.parse((await runHermetic(relay.file, 'explain', 'one.test', '--json')).out)
  assert.deepEqual(limits, {
    ...{ site: 'limit:slow', name: 'slow', connections: 20, adaptive: true, rate: '2/1h', burst: 2 },
    waits_for: 'rate',
  })
  assert.doesNotMatch((await runHermetic(relay.file, 'explain', 'two.test')).out, /^Limits$/m)
  const scraped = await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)
  assert.match(await scraped.text(), /hermetic_lanes_waiting\{limit="rate"\} 1/)
})

test('mail behind a host that was not there waits with the others, and queue show tells why and until when', async () => {
  await using mx = await ScriptedMx.start({ script: { CONNECT: { silent: true, after: 'reset' } } })
  await using relay = await relayTo(mx, '')
  await send(relay, ['a@one.test'])
  await relay.until(() => relay.eventsOf('message-settled').length === 1)
  const [waiting = ''] = await send(relay, ['b@one.test'])
  const { out } = await runHermetic(relay.file, 'queue', 'show', waiting)
  assert.match(out, /: queued, 0 tries, next try now /)
  const listed = (await runHermetic(relay.file, 'queue', 'list')).out
  assert.match(listed, new RegExp(`^${waiting} .* queued +0 +in \\S+ \\(lane rests\\) `, 'm'), listed)
  assert.match(out, /waits because nobody could be talked to there \(4\.4\.[12] .*\), tried again at \d{4}-/)
})
