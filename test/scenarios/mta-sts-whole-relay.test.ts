/** MTA-STS as `hermetic start` has it: settings, the cache in data_dir, metrics, the log, and suspects in a child. */
import assert from 'node:assert/strict'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { retrySuspects } from '../../packages/mta/src/delivery/suspect-retry.ts'
import { testEngine } from '../lab/engine-of-test.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { PolicyHost } from '../lab/policy-host.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { policyText, StsWorld } from '../lab/sts-world.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { labAuthority } from '../lab/world-host.ts'

const MX = 'mx.example.test'
const MESSAGE = 'Subject: hello\r\nFrom: <a@sender.test>\r\n\r\nhello\r\n.\r\n'

interface Parts {
  readonly directory: string
  readonly mx: ScriptedMx
  readonly host: PolicyHost
  readonly relay: WholeRelay
}

async function withRelay(
  options: { readonly networks: string; readonly certificateName: string; readonly settings?: string },
  use: (parts: Parts) => Promise<void>,
): Promise<void> {
  const authority = await labAuthority()
  const directory = await mkdtemp(join(tmpdir(), 'whole-sts-'))
  // Made first, so that it goes last: a relay that runs still writes in it.
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rm(directory, { recursive: true, force: true }))
  const { key, chain } = await authority.issue({ names: [options.certificateName] })
  await using mx = await ScriptedMx.start({ tls: { key, cert: chain } })
  const answer = { body: policyText({ mode: 'enforce', mx: [MX] }) }
  const tls = await certificateFor('mta-sts.example.test', 'good', authority)
  await using host = await PolicyHost.start({ tls, answer })
  await writeFile(join(directory, 'roots.pem'), authority.certificate)
  await using relay = await WholeRelay.start({
    settings: `
data_dir = "${directory}/data"
[trust]
ca_file = "${directory}/roots.pem"
[delivery]
port = ${mx.port}
[mta_sts]
https_port = ${host.port}
${options.settings ?? ''}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
    egress: `https_networks = [${options.networks}]`,
    records: {
      'example.test': { MX: [[10, MX]] },
      [MX]: { A: [mx.address] },
      'mta-sts.example.test': { A: [host.address] },
      '_mta-sts.example.test': { TXT: ['v=STSv1; id=1'] },
    },
  })
  const client = await relay.greeted()
  await client.command('MAIL FROM:<a@sender.test>')
  await client.command('RCPT TO:<bob@example.test>')
  await client.command('DATA')
  client.send(MESSAGE)
  assert.equal((await client.reply())?.code, 250)
  await client.quit()
  await relay.until(() => relay.eventsOf('message-settled').length > 0)
  await use({ directory, mx, host, relay })
}

test('a policy is fetched, kept and enforced: a certificate for another name gets no mail', () =>
  withRelay({ networks: '"127.0.0.0/8"', certificateName: 'other.test' }, async ({ directory, mx, host, relay }) => {
    assert.equal(host.requests.length > 0, true)
    assert.equal(mx.messages.length, 0)
    if (testEngine() === 'embedded') await access(join(directory, 'data', 'policy.db'))
    const metrics = await (await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)).text()
    assert.match(metrics, /^hermetic_sts_sessions_total\{mode="enforce",result="certificate-host-mismatch"\} 1$/m)
    assert.match(metrics, /^hermetic_sts_fetches_total\{occasion="delivery",outcome="fetched"\} 1$/m)
  }))

test('a host that proves its name gets the mail, and the log line tells the policy', () =>
  withRelay({ networks: '"127.0.0.0/8"', certificateName: MX }, async ({ mx, relay }) => {
    assert.equal(mx.messages[0]?.inTls, true)
    assert.equal(relay.eventsOf('attempt-finished')[0]?.requirement.sts?.matched, MX)
    const line = relay.lines.map((text) => JSON.parse(text)).find(({ event }) => event === 'attempt-finished')
    const { sts_policy, sts_id, sts_from, sts_matched, tls_verdict, tls_result } = line
    assert.deepEqual(
      { sts_policy, sts_id, sts_from, sts_matched, tls_verdict, tls_result },
      {
        ...{ sts_policy: 'enforce', sts_id: '1', sts_from: 'fresh', sts_matched: MX },
        ...{ tls_verdict: 'sts', tls_result: 'sts: success' },
      },
    )
  }))

test('policy hosts on loopback are not contacted unless egress.https_networks names them', () =>
  withRelay({ networks: '', certificateName: 'other.test' }, async ({ mx, host, relay }) => {
    assert.equal(host.connections, 0)
    assert.equal(mx.messages.length, 1)
    assert.equal(relay.eventsOf('sts-policy-unobtainable')[0]?.reason, 'address-refused')
  }))

test('with mta_sts.enabled = false nobody is asked for a policy, and none is kept', () =>
  withRelay(
    { networks: '"127.0.0.0/8"', certificateName: 'other.test', settings: 'enabled = false\n[dane]\nenabled = false' },
    async ({ directory, mx, host, relay }) => {
      assert.equal(host.connections, 0)
      assert.equal(mx.messages.length, 1)
      assert.equal(relay.eventsOf('attempt-finished')[0]?.policy, undefined)
      await assert.rejects(access(join(directory, 'data', 'policy.db')))
    },
  ))

test('a suspect that is delivered alone, in a child process, is bound by the policy as well', async () => {
  await using world = await StsWorld.start({
    hosts: { [MX]: { tls: 'self-signed' } },
    mx: { 'example.test': [[10, MX]] },
    policies: { 'example.test': { mode: 'enforce', mx: [MX] } },
    crashedWith: [{ to: ['bob@example.test'] }],
  })
  const { spool, deliveryOptions: delivery } = world.relay
  const { signal } = new AbortController()
  await retrySuspects({ suspects: spool.suspects, spool, delivery, setAsideAfterDeaths: 1, signal })
  assert.equal(world.relay.mx(MX).messages.length, 0)
  assert.deepEqual(world.relay.mx(MX).connection.commands.slice(-2), ['STARTTLS', 'QUIT'])
  assert.equal(world.relay.eventsOf('session-failed')[0]?.problem.cause.kind, 'tls-policy')
})
