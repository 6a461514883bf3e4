/**
 * RFC 8461 §10: protection that gets weaker is told: an event, a line in the log, a number. The relay starts on a
 * cache that it filled on earlier days, and its first refreshes find a world that has changed since.
 */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type PolicyCache, parsePolicyFile } from '@hermetic/policy'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { covers } from '../conformance/covers.ts'
import type { NameRecords } from '../lab/dns-server.ts'
import { onEngineOfTest, seedPolicies } from '../lab/engine-of-test.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { PolicyHost } from '../lab/policy-host.ts'
import { domainName } from '../lab/policy-host-world.ts'
import { policyText } from '../lab/sts-world.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { addressBlock, labAuthority } from '../lab/world-host.ts'

const DAY_MS = 86_400_000
const WEEK_SECONDS = 604_800

/** Each was fetched as `enforce` some days ago; since then this happened. */
const DOMAINS = [
  { domain: 'weaker.test', days: 2, serves: 'testing' },
  { domain: 'given-up.test', days: 2, serves: 'none' },
  { domain: 'vanished.test', days: 2, serves: undefined, record: false },
  { domain: 'ending.test', days: 6.9, serves: undefined },
  { domain: 'failing.test', days: 3, serves: undefined, failures: 2 },
] as const

describe('a relay that starts on a cache of earlier days', () => {
  let lab: TerminalLab
  let relay: WholeRelay
  const hosts: PolicyHost[] = []

  before(async () => {
    lab = new TerminalLab()
    const dataDir = join(lab.directory, 'data')
    await mkdir(dataDir)
    await seedPolicies(dataDir, fillCache)
    const terminal = `hostname = "relay.example.test"\ndata_dir = "${dataDir}"\n`
    lab.file('hermetic.toml', await onEngineOfTest(terminal, lab.directory))
    // What was purged while nobody ran that could log it.
    assert.equal((await lab.run('policy', 'purge', 'purged.test')).code, 0)
    const { records, port } = await startPolicyHosts(hosts)
    const roots = join(lab.directory, 'roots.pem')
    await writeFile(roots, (await labAuthority()).certificate)
    relay = await WholeRelay.start({
      settings: `
data_dir = "${dataDir}"
[trust]
ca_file = "${roots}"
[mta_sts]
https_port = ${port}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
      egress: 'https_networks = ["127.0.0.0/8"]',
      records,
    })
    await relay.until(() => relay.eventsOf('sts-fetch-ended').length === DOMAINS.length)
    await relay.until(
      () => relay.eventsOf('sts-refresh-alarm').length + relay.eventsOf('sts-policy-expiring').length > 1,
    )
  })

  after(async () => {
    await relay?.[Symbol.asyncDispose]()
    for (const host of hosts) await host[Symbol.asyncDispose]()
    lab?.[Symbol.dispose]()
  })

  function line(event: string, domain: string): Readonly<Record<string, unknown>> {
    const found = relay.lines
      .map((text) => JSON.parse(text))
      .find((one) => one.event === event && one.policy_domain === domain)
    assert.ok(found !== undefined, `${event} of ${domain} in:\n${relay.lines.join('')}`)
    return found
  }

  async function metrics(): Promise<readonly string[]> {
    const answer = await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)
    return (await answer.text()).split('\n')
  }

  for (const [domain, to] of [
    ['weaker.test', 'testing'],
    ['given-up.test', 'none'],
  ] as const) {
    test(`enforce became ${to}`, async () => {
      const { level, from, to: now } = line('sts-policy-weakened', domain)
      assert.deepEqual({ level, from, now }, { level: 'warn', from: 'enforce', now: to })
      assert.ok((await metrics()).includes('hermetic_sts_alarms_total{alarm="weakened"} 2'))
    })
  }

  test('the record of a policy in force vanished, and the policy stays', async () => {
    const { level, reason, mode } = line('sts-record-trouble', 'vanished.test')
    assert.deepEqual({ level, reason, mode }, { level: 'warn', reason: 'txt-missing', mode: 'enforce' })
    assert.equal(line('sts-policy-not-renewed', 'vanished.test')['level'], 'warn')
    const lines = await metrics()
    assert.ok(lines.includes('hermetic_sts_alarms_total{alarm="record"} 1'))
    assert.ok(lines.includes('hermetic_sts_not_renewed_total{mode="enforce",result_type="sts-policy-fetch-error"} 3'))
  })

  test('a policy near its end cannot be refreshed', async () => {
    const { level, mode, expires_at: expiresAt } = line('sts-policy-expiring', 'ending.test')
    assert.deepEqual({ level, mode }, { level: 'error', mode: 'enforce' })
    assert.ok(Date.parse(String(expiresAt)) - Date.now() < DAY_MS)
    assert.ok((await metrics()).includes('hermetic_sts_alarms_total{alarm="expiring"} 1'))
  })

  test('refreshing failed for the third time', async () => {
    const { level, failed_refreshes: failed } = line('sts-refresh-alarm', 'failing.test')
    assert.deepEqual({ level, failed }, { level: 'error', failed: 3 })
    assert.ok((await metrics()).includes('hermetic_sts_alarms_total{alarm="refresh"} 1'))
  })

  test('gauges tell how many policies of each mode there are, how old, and how many are overdue', async () => {
    const lines = await metrics()
    for (const expected of [
      'hermetic_sts_cache_readable 1',
      'hermetic_sts_policies{mode="enforce"} 3',
      'hermetic_sts_policies{mode="testing"} 1',
      'hermetic_sts_policies{mode="none"} 1',
      'hermetic_sts_policies_stale{mode="enforce"} 3',
      'hermetic_sts_policies_stale{mode="testing"} 0',
    ]) {
      assert.ok(
        lines.includes(expected),
        `${expected} in:\n${lines.filter((one) => one.includes('_sts_pol')).join('\n')}`,
      )
    }
    const gauge = (name: string) => Number(lines.find((one) => one.startsWith(name))?.split(' ')[1])
    assert.ok(Math.abs(gauge('hermetic_sts_policy_oldest_seconds{mode="enforce"}') - 6.9 * 86_400) < 3_600)
    assert.ok(Math.abs(gauge('hermetic_sts_policy_expires_seconds{mode="enforce"}') - 0.1 * 86_400) < 3_600)
  })

  test('STS-80: what an operator threw away while no relay ran is logged at the start, with who and when', async () => {
    covers('STS-80', { observe: 'store' })
    const { level, by, mode, at } = line('sts-policy-purged', 'purged.test')
    assert.deepEqual({ level, by, mode }, { level: 'warn', by: userInfo().username, mode: 'enforce' })
    assert.ok(Date.now() - Date.parse(String(at)) < DAY_MS)
  })

  test('STS-80: and so is what is thrown away while it runs', async () => {
    covers('STS-80', { observe: 'store' })
    const { code, out } = await lab.run('policy', 'purge', 'failing.test')
    assert.equal(code, 0)
    assert.match(out, /first contact again/)
    assert.equal(line('sts-policy-purged', 'failing.test')['by'], userInfo().username)
    assert.ok((await metrics()).includes('hermetic_sts_purged_total 2'))
    assert.equal((await lab.run('policy', 'show', 'failing.test')).code, 1)
  })
})

async function fillCache(cache: PolicyCache): Promise<void> {
  const policy = parsePolicyFile(Buffer.from(policyText({ mode: 'enforce', mx: ['mx.test'], maxAge: WEEK_SECONDS })))
  assert.ok(policy.ok)
  await cache.put(domainName('purged.test'), {
    policy: policy.value,
    id: '1',
    fetchedAt: Date.now(),
    refreshAt: Date.now(),
  })
  for (const { domain, days, ...more } of DOMAINS) {
    const fetchedAt = Math.round(Date.now() - days * DAY_MS)
    const name = domainName(domain)
    await cache.put(name, { policy: policy.value, id: '1', fetchedAt, refreshAt: Date.now() })
    const failure = { at: fetchedAt + DAY_MS, reason: 'sts-policy-fetch-error: connect-failed' }
    for (let count = 0; 'failures' in more && count < more.failures; count++) {
      await cache.postponeRefresh(name, { fetchedAt, refreshAt: Date.now(), failure })
    }
  }
}

async function startPolicyHosts(
  hosts: PolicyHost[],
): Promise<{ readonly records: Readonly<Record<string, NameRecords>>; readonly port: number }> {
  const addresses = addressBlock()
  const records: Record<string, NameRecords> = {}
  let port: number | undefined
  for (const { domain, serves, ...more } of DOMAINS) {
    const tls = await certificateFor(`mta-sts.${domain}`, 'good', await labAuthority())
    const answer =
      serves === undefined
        ? { status: 503 }
        : { body: policyText({ mode: serves, mx: ['mx.test'], maxAge: WEEK_SECONDS }) }
    const host = await PolicyHost.start({ address: addresses(), ...(port === undefined ? {} : { port }), tls, answer })
    port ??= host.port
    hosts.push(host)
    records[`mta-sts.${domain}`] = { A: [host.address] }
    if (!('record' in more)) records[`_mta-sts.${domain}`] = { TXT: ['v=STSv1; id=1'] }
  }
  return { records, port: port ?? 443 }
}
