/** Overrides and the preload list of a whole relay as operators see them: log, metrics, and the command line. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { runHermetic } from '../lab/command-lab.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const DAY_MS = 86_400_000
const day = (fromNow: number): string => new Date(Date.now() + fromNow * DAY_MS).toISOString().slice(0, 10)

const settings = (directory: string): string => `
data_dir = "${directory}/data"
[mta_sts]
preload_file = "${directory}/preload.json"
[[policy_override]]
domain = "bank.example"
require = "pkix"
[[policy_override]]
domain = "*.lab.example"
enforcement = "observe"
[[policy_override]]
domain = "moving.example"
waive = ["dane", "mta-sts"]
reason = "new hosts, ticket 4711"
author = "Jane"
until = "${day(60)}"
[[policy_override]]
domain = "soon.example"
waive = ["dane"]
reason = "almost over"
author = "Jane"
until = ${day(3)}
[[policy_override]]
domain = "late.example"
waive = ["dane"]
reason = "long over"
author = "Joe"
until = "${day(-10)}"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`

const preload = (): string =>
  JSON.stringify({
    version: '0.1',
    expires: new Date(Date.now() + 3 * DAY_MS).toISOString(),
    policies: { 'one.example': { mode: 'enforce', mxs: ['mx.one.example'] } },
  })

async function withRelay(use: (relay: WholeRelay) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'override-list-'))
  try {
    await writeFile(join(directory, 'preload.json'), preload())
    await using relay = await WholeRelay.start({ settings: settings(directory), records: {} })
    await use(relay)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

test('DANE-94: a switch for one destination is logged with its reason, counted, and listed', () =>
  withRelay(async (relay) => {
    covers('DANE-94', { observe: 'store' })
    const lines = relay.lines.map((text) => JSON.parse(text))
    const logged = (event: string) => lines.filter((line) => line.event === event).map(({ domain }) => domain)
    assert.deepEqual(logged('policy-waived'), ['moving.example', 'soon.example'])
    assert.deepEqual(logged('policy-waiver-expiring'), ['soon.example'])
    assert.deepEqual(logged('policy-waiver-expired'), ['late.example'])
    const { mechanisms, reason, author } = lines.find(({ event }) => event === 'policy-waived')
    assert.deepEqual([mechanisms, reason, author], [['dane', 'mta-sts'], 'new hosts, ticket 4711', 'Jane'])

    const metrics = await (await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)).text()
    for (const line of [
      ...['hermetic_overrides_required 1', 'hermetic_overrides_observed 1', 'hermetic_overrides_waived 2'],
      ...['hermetic_overrides_expired 1', 'hermetic_waivers_expired_total 1', 'hermetic_waivers_expiring_total 1'],
      'hermetic_preload_domains 1',
    ]) {
      assert.ok(metrics.includes(`\n${line}\n`), line)
    }
  }))

test('override list tells how each stands and what it changes, by the running relay and by the file', async () => {
  let byRelay = ''
  await withRelay(async (relay) => {
    const { file } = relay
    const { code, out, err } = await runHermetic(file, 'override', 'list')
    assert.deepEqual([code, err], [1, ''], 'one is expired')
    byRelay = out
    const rows = out.split('\n').filter((line) => /^\S*\.example /.test(line))
    for (const [index, words] of [
      /^bank\.example +active +requires a certificate for the host’s name from a trusted authority$/,
      /^\*\.lab\.example +active +observes its policies: nothing is refused for them$/,
      /^moving\.example +active, 60d( \d+h)? left +waives DANE and MTA-STS until \S+Z: new hosts, ticket 4711 \(Jane\)$/,
      /^soon\.example +expiring, 3d( \d+h)? left +waives DANE until/,
      /^late\.example +expired 9d( \d+h)? ago +waived DANE until \S+Z: long over \(Joe\)$/,
    ].entries()) {
      assert.match(rows[index] ?? '', words)
    }
    assert.match(out, /^Where no policy could be fetched: the preload list \S+ has 1 domain; it ends in 2d/m)

    const json = (await runHermetic(file, 'override', 'list', '--json')).out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      json.map(({ kind, state }) => `${kind} ${state}`),
      [
        'require active',
        'enforcement active',
        'waive active',
        'waive expiring',
        'waive expired',
        'preload-list expiring',
      ],
    )
    const policies = await runHermetic(file, 'policy', 'list')
    assert.match(policies.out, /^No policy is cached\.\n\nWhere none could be fetched: the preload list/)

    const explained = await runHermetic(file, 'explain', 'late.example')
    assert.match(
      explained.out,
      /^Our own settings\n +expired +waives DANE until \S+Z: long over \(Joe\); it does nothing/m,
    )
    const listed = await runHermetic(file, 'explain', 'one.example')
    assert.match(
      listed.out,
      /^ +preload +mode enforce, mx\.one\.example: in force, for no policy of the domain could be had/m,
    )

    // Another data_dir: the file is all there is to ask.
    await writeFile(file, settings(dirname(file)).replace(/preload_file.*\n/, ''))
    const other = await runHermetic(file, 'override', 'list')
    assert.match(other.err, /^No relay runs; reading the configuration\.$/m)
  })
  assert.match(byRelay, /^Policies are enforced, but for what is written here\.$/m)
})
