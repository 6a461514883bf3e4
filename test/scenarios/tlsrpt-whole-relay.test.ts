/** Counting for reports as `hermetic start` has it: settings, the store in data_dir, metrics, and `hermetic tlsrpt show`. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runHermetic } from '../lab/command-lab.ts'
import { testEngine } from '../lab/engine-of-test.ts'
import { longEnoughDay } from '../lab/long-enough-day.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const MX = 'mx.example.test'
const MESSAGE = 'Subject: hello\r\nFrom: <a@sender.test>\r\n\r\nhello\r\n.\r\n'

async function relayWith(t: TestContext, tlsrpt: string, dataDir?: string): Promise<WholeRelay> {
  await longEnoughDay()
  const directory = dataDir ?? (await mkdtemp(join(tmpdir(), 'whole-tlsrpt-')))
  if (dataDir === undefined) t.after(() => rm(directory, { recursive: true, force: true }))
  const mx = await ScriptedMx.start({})
  t.after(() => mx.stop())
  return WholeRelay.start({
    settings: `
data_dir = "${directory}"
[tlsrpt]
${tlsrpt}
[delivery]
port = ${mx.port}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
    records: {
      'example.test': { MX: [[10, MX]] },
      [MX]: { A: [mx.address] },
      '_smtp._tls.example.test': { TXT: ['v=TLSRPTv1; rua=mailto:reports@example.org'] },
    },
  })
}

const ON = 'enabled = true\norganization = "Example Inc."\ncontact = "tls-reports@relay.example.test"'

async function deliver(relay: WholeRelay): Promise<void> {
  const client = await relay.greeted()
  for (const line of ['MAIL FROM:<a@sender.test>', 'RCPT TO:<bob@example.test>', 'DATA']) await client.command(line)
  client.send(MESSAGE)
  assert.equal((await client.reply())?.code, 250)
  await client.quit()
  await relay.until(() => relay.eventsOf('message-settled').length > 0)
}

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'whole-tlsrpt-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

test('what was counted is in the metrics within a second or two, and shown as a report would tell it', async (t) => {
  await using relay = await relayWith(t, ON)
  await deliver(relay)
  await relay.until(() => relay.eventsOf('tlsrpt-results-stored').length > 0)
  const metrics = await (await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)).text()
  const labels = 'policy_type="no-policy-found",result="starttls-not-supported"'
  assert.match(metrics, new RegExp(`^hermetic_tlsrpt_sessions_total\\{${labels}\\} 1$`, 'm'))
  const shown = await runHermetic(relay.file, 'tlsrpt', 'show', 'example.test', 'today')
  assert.equal(shown.code, 0, shown.err)
  assert.match(
    shown.out,
    /^example\.test on \d{4}-\d\d-\d\d \(UTC\), still counting\n\nno-policy-found example\.test: 0 good, 1 failed\n/,
  )
  assert.match(shown.out, /1 +starttls-not-supported +mx\.example\.test/)
  const { out } = await runHermetic(relay.file, 'tlsrpt', 'show', 'example.test', 'today', '--json')
  const { closed, policies } = JSON.parse(out)
  assert.deepEqual([closed, policies.length, policies[0].summary['total-failure-session-count']], [false, 1, 1])
  const nothing = await runHermetic(relay.file, 'tlsrpt', 'show', 'other.test', 'yesterday')
  assert.equal(nothing.code, 1)
  assert.match(nothing.err, /^other\.test: nothing is kept of /)
})

test('after a stop in order nothing is lost, and what is stored is shown when no relay runs; after another stop it is said', async (t) => {
  const dataDir = await directory(t)
  {
    await using relay = await relayWith(t, ON, dataDir)
    await deliver(relay)
    // At once: what was counted a moment ago is flushed by the stop.
    await relay.relay.stop('test')
    assert.deepEqual(relay.eventsOf('tlsrpt-results-lost'), [])
    const shown = await runHermetic(relay.file, 'tlsrpt', 'show', 'example.test', 'today')
    assert.match(shown.out, /0 good, 1 failed/)
    assert.match(
      shown.err,
      testEngine() === 'embedded' ? /^No relay runs; reading tlsrpt\.db/ : /; reading Redis directly/,
    )
    assert.equal(existsSync(join(dataDir, 'tlsrpt.counting')), false)
  }
  await writeFile(join(dataDir, 'tlsrpt.counting'), '')
  await using relay = await relayWith(t, ON, dataDir)
  assert.equal(relay.eventsOf('tlsrpt-second-lost').length, 1)
  const shown = await runHermetic(relay.file, 'tlsrpt', 'show', 'example.test', 'today')
  assert.match(shown.out, /0 good, 1 failed/)
})

test('a mark that cannot be set is told, and keeps neither mail nor counting back', async (t) => {
  const dataDir = await directory(t)
  await mkdir(join(dataDir, 'tlsrpt.counting'))
  await using relay = await relayWith(t, ON, dataDir)
  assert.match(relay.eventsOf('tlsrpt-mark-failed')[0]?.detail ?? '', /tlsrpt\.counting: it is a directory$/)
  await deliver(relay)
  await relay.until(() => relay.eventsOf('tlsrpt-results-stored').length > 0)
})

test('with reports off nobody is asked for a record, and nothing is kept', async (t) => {
  const dataDir = await directory(t)
  await using relay = await relayWith(t, 'enabled = false', dataDir)
  await deliver(relay)
  assert.equal(
    relay.queries.some(({ name }) => name.startsWith('_smtp._tls')),
    false,
  )
  assert.equal(existsSync(join(dataDir, 'tlsrpt.db')), false)
  const shown = await runHermetic(relay.file, 'tlsrpt', 'show', 'example.test', 'today')
  assert.equal(shown.code, 1)
  assert.match(shown.err, /no reports here: \[tlsrpt\] enabled = false/)
})
