/** A relay that has its queue alone is the one node of it: it is listed, and can be drained; its mail waits meanwhile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runHermetic } from '../lab/command-lab.ts'
import { testEngine } from '../lab/engine-of-test.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const MX = 'mx.example.test'

test('hermetic nodes, and hermetic drain with its end', async (t) => {
  await using mx = await ScriptedMx.start()
  await using relay = await WholeRelay.start({
    settings: `
[delivery]
port = ${mx.port}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
    records: { 'example.test': { MX: [[10, MX]] }, [MX]: { A: [mx.address] } },
  })
  const { file } = relay
  await submit(relay, 'before')
  await mx.received(1)

  const nodes = await runHermetic(file, 'nodes')
  assert.equal(nodes.code, 0)
  assert.match(nodes.out, /^[0-9a-f]{12} \* .* running .*relay 127\.0\.0\.1:\d+$/m)
  const [json = ''] = (await runHermetic(file, 'nodes', '--json')).out.split('\n')
  const { accepted, clock_skew_ms: skew } = JSON.parse(json)
  // Redis has a clock of its own to compare with; an embedded queue has none.
  assert.deepEqual([accepted, typeof skew], [1, testEngine() === 'redis' ? 'number' : 'object'])

  const waiting = await relay.greeted()
  const drained = await runHermetic(file, 'drain')
  assert.equal(drained.code, 0, drained.err)
  assert.match(drained.out, /is drained: nothing is under way in it/)
  assert.match(drained.err, /No other relay of the queue runs: mail waits/)
  assert.match((await waiting.reply())?.lines[0] ?? '', /^421 4\.3\.2 /)
  const ready = await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/readyz`)
  assert.deepEqual(
    [ready.status, ((await ready.json()) as { reasons: unknown }).reasons],
    [503, ['the relay is draining']],
  )
  const metrics = await (await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)).text()
  assert.match(metrics, /^hermetic_node_draining 1$/m)
  assert.match(metrics, /^hermetic_nodes\{state="draining"\} 1$/m)

  const back = await runHermetic(file, 'drain', '--undo')
  assert.equal(back.code, 0, back.err)
  await submit(relay, 'after')
  await mx.received(2)
  const told = relay.events.flatMap(({ event }) => (/^node-(?!outdated)/.test(event) ? [event] : []))
  assert.deepEqual(told, ['node-joined', 'node-draining', 'node-drained', 'node-resumed'])

  const unknown = await runHermetic(file, 'drain', 'nowhere.example.test')
  assert.deepEqual([unknown.code, unknown.out], [1, ''])
  assert.match(unknown.err, /there is no node nowhere\.example\.test; hermetic nodes lists them/)
  t.diagnostic(nodes.out)
})

async function submit(relay: WholeRelay, subject: string): Promise<void> {
  const client = await relay.greeted()
  await client.command('MAIL FROM:<app@sender.test>')
  await client.command('RCPT TO:<someone@example.test>')
  await client.command('DATA')
  const reply = await client.command(`Subject: ${subject}\r\nFrom: <app@sender.test>\r\n\r\nhello\r\n.`)
  assert.equal(reply.code, 250)
  await client.quit()
}
