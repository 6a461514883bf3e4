/** DANE as `hermetic start` has it: a name server that is believed, TLSA records, the log line, the metric, suspects. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { retrySuspects } from '../../packages/mta/src/delivery/suspect-retry.ts'
import { selfSigned } from '../lab/ca.ts'
import { DOMAIN, MX, tlsaOf, tlsaOwner } from '../lab/dane-world.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { StsWorld } from '../lab/sts-world.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const MESSAGE = 'Subject: hello\r\nFrom: <a@sender.test>\r\n\r\nhello\r\n.\r\n'

async function withRelay(
  { records, dane = '' }: { readonly records: 'match' | 'other'; readonly dane?: string },
  use: (mx: ScriptedMx, relay: WholeRelay) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'whole-dane-'))
  // Made first, so that it goes last: a relay that runs still writes in it.
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rm(directory, { recursive: true, force: true }))
  const [shown, other] = [await selfSigned({ names: [MX] }), await selfSigned({ names: [MX] })]
  await using mx = await ScriptedMx.start({ tls: { key: shown.key, cert: shown.certificate } })
  const published = tlsaOf((records === 'match' ? shown : other).certificate, 3)
  await using relay = await WholeRelay.start({
    settings: `
data_dir = "${directory}/data"
[delivery]
port = ${mx.port}
[mta_sts]
enabled = false
[dane]
${dane}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
    trust: 'ad',
    records: {
      '.': { SOA: true, secure: true },
      [DOMAIN]: { MX: [[10, MX]], secure: true },
      [MX]: { A: [mx.address], secure: true },
      [`_${mx.port}._tcp.${MX}`]: { TLSA: [published], secure: true },
    },
  })
  const client = await relay.greeted()
  await client.command('MAIL FROM:<a@sender.test>')
  await client.command(`RCPT TO:<bob@${DOMAIN}>`)
  await client.command('DATA')
  client.send(MESSAGE)
  assert.equal((await client.reply())?.code, 250)
  await client.quit()
  await relay.until(() => relay.eventsOf('message-settled').length > 0)
  await use(mx, relay)
}

const daneSessions = async (relay: WholeRelay): Promise<readonly string[]> => {
  const metrics = await (await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)).text()
  return metrics.split('\n').filter((line) => line.startsWith('hermetic_dane_sessions_total{'))
}

test('a host that its TLSA record means gets the mail, and the log line tells which record', () =>
  withRelay({ records: 'match' }, async (mx, relay) => {
    assert.deepEqual([mx.messages[0]?.inTls, mx.connection.servername], [true, MX])
    const line = relay.lines.map((text) => JSON.parse(text)).find(({ event }) => event === 'attempt-finished')
    assert.deepEqual([line.tls_requirement, line.tls_verdict, line.tls_result], ['dane', 'dane', 'tlsa: success'])
    assert.deepEqual([line.dane, line.dane_owner], ['1 of 1 usable', `_${mx.port}._tcp.${MX}`])
    assert.match(line.dane_matched, /^3 1 1 [0-9a-f]{64}$/)
    assert.deepEqual(await daneSessions(relay), ['hermetic_dane_sessions_total{result="success"} 1'])
  }))

test('one that it does not mean gets none', () =>
  withRelay({ records: 'other' }, async (mx, relay) => {
    assert.equal(mx.messages.length, 0)
    const sessions = await daneSessions(relay)
    assert.deepEqual(sessions, ['hermetic_dane_sessions_total{result="certificate-not-trusted"} 1'])
  }))

test('with dane.enabled = false nobody is asked for TLSA records, and they mean nothing', () =>
  withRelay({ records: 'other', dane: 'enabled = false' }, async (mx, relay) => {
    assert.equal(mx.messages.length, 1)
    assert.equal(relay.eventsOf('attempt-finished')[0]?.dane, undefined)
    assert.deepEqual(await daneSessions(relay), [])
  }))

test('a suspect that is delivered alone, in a child process, is bound by TLSA records as well', async () => {
  await using world = await StsWorld.start({
    hosts: { [MX]: {} },
    mx: { [DOMAIN]: [[10, MX]] },
    dnssec: {},
    crashedWith: [{ to: [`bob@${DOMAIN}`] }],
  })
  const other = await selfSigned({ names: [MX] })
  world.serve({ [tlsaOwner(world, MX)]: { TLSA: [tlsaOf(other.certificate, 3)] } })
  const { spool, deliveryOptions: delivery } = world.relay
  const { signal } = new AbortController()
  await retrySuspects({ suspects: spool.suspects, spool, delivery, setAsideAfterDeaths: 1, signal })
  assert.equal(world.relay.mx(MX).messages.length, 0)
  const cause = world.relay.eventsOf('session-failed')[0]?.problem.cause
  assert.equal(cause?.kind === 'tls-policy' && cause.mechanism, 'dane')
})
