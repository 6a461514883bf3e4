/**
 * What DANE protected yesterday and does not protect today is told by the running relay: an event, a line in the log, a
 * number. DNS alone decides what becomes of the mail; the alarm is for the people on both sides.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { selfSigned } from '../lab/ca.ts'
import { tlsaOf } from '../lab/dane-world.ts'
import { type NameRecords, zone } from '../lab/dns-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

/** What happens to each domain after its first message; the host of `late.test` is that of `bogus.test`. */
const DOMAINS = ['vanished', 'unusable', 'unsigned', 'unsigned-mx', 'bogus', 'quiet'] as const
type Name = (typeof DOMAINS)[number]

describe('a relay whose destinations lose the protection of DANE', () => {
  let directory: string
  let mx: ScriptedMx
  let relay: WholeRelay
  let protectedBefore: Readonly<Record<string, NameRecords>>
  let startedAt: number

  before(async () => {
    startedAt = Date.now()
    directory = await mkdtemp(join(tmpdir(), 'dane-alarms-'))
    const leaf = await selfSigned()
    mx = await ScriptedMx.start({ tls: { key: leaf.key, cert: leaf.certificate } })
    protectedBefore = recordsOf(mx, leaf.certificate)
    relay = await WholeRelay.start({
      settings: settings(directory, mx.port),
      trust: 'ad',
      records: protectedBefore,
    })
    serve({})
    await send(...DOMAINS.map((name) => `${name}.test`))
    await relay.until(() => mx.messages.length === DOMAINS.length)
    assert.deepEqual(alarms(), [], 'nothing has been lost yet')
    serve(losses())
    relay.dns.fail(`_${mx.port}._tcp.mx.bogus.test`, { kind: 'rcode', rcode: 'SERVFAIL', ede: { infoCode: 6 } })
    await send(...DOMAINS.map((name) => `${name}.test`))
    await relay.until(() => relay.eventsOf('message-settled').length === 2 * DOMAINS.length)
  })

  after(async () => {
    await relay?.[Symbol.asyncDispose]()
    await mx?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const LOSSES: readonly (readonly [name: Name, event: string, alarm: string, fields: Record<string, unknown>])[] = [
    ['vanished', 'dane-tlsa-vanished', 'tlsa-vanished', { level: 'warn' }],
    ['unusable', 'dane-tlsa-unusable', 'tlsa-unusable', { level: 'warn', records: 1 }],
    ['unsigned', 'dane-zone-unsigned', 'zone-unsigned', { level: 'warn', because: 'insecure-address' }],
    ['bogus', 'dane-validation-lost', 'validation-lost', { level: 'error', lookup: 'tlsa', failures: 1 }],
  ]
  for (const [name, event, alarm, fields] of LOSSES) {
    test(`${name}: ${event} in the log, with the host and when it was last protected, and counted`, async () => {
      const { time: _, event: __, port, last_seen_at: lastSeenAt, ...line } = lineOf(event)
      assert.deepEqual(
        { port, ...pick(line, ['host', ...Object.keys(fields)]) },
        { port: mx.port, host: `mx.${name}.test`, ...fields },
      )
      assert.ok(Date.parse(String(lastSeenAt)) >= startedAt)
      assert.ok((await metrics()).includes(`hermetic_dane_alarms_total{alarm="${alarm}"} 1`))
    })
  }

  test('unsigned-mx: the domain is told of, not the host, which still proves itself', async () => {
    const { level, next_hop: nextHop } = lineOf('dane-mx-unsigned')
    assert.deepEqual({ level, nextHop }, { level: 'warn', nextHop: 'unsigned-mx.test' })
    assert.ok((await metrics()).includes('hermetic_dane_alarms_total{alarm="mx-unsigned"} 1'))
    const records = relay.eventsOf('attempt-finished').filter((one) => one.nextHop === 'unsigned-mx.test')
    assert.deepEqual(
      records.map(({ verdict }) => verdict.kind === 'proven' && verdict.level),
      ['dane', 'dane-insecure-mx'],
    )
  })

  test('each loss is told once, and nothing is told of who lost nothing', async () => {
    assert.equal(alarms().length, LOSSES.length + 1)
    assert.ok(
      !relay.lines.some((line) => /"event":"dane-(?:tlsa|zone|mx|val)/.test(line) && line.includes('quiet.test')),
    )
    await send('vanished.test')
    await relay.until(() => mx.messages.length === 2 * DOMAINS.length)
    assert.equal(alarms().length, LOSSES.length + 1)
  })

  test('only what cannot be validated waits; what is not demanded any more is not held against the mail', () => {
    const arrived = mx.messages.map(({ recipients }) => recipients[0]?.address ?? '')
    for (const name of DOMAINS) {
      const count = arrived.filter((address) => address === `bob@${name}.test`).length
      assert.ok(name === 'bogus' ? count === 1 : count >= 2, `${name}: ${count}`)
    }
  })

  test('when its zone validates again that is told as well', async () => {
    relay.dns.heal(`_${mx.port}._tcp.mx.bogus.test`)
    // A lane of its own: that of bogus.test rests.
    await send('late.test')
    await relay.until(() => relay.eventsOf('dane-validation-restored').length === 1)
    const { level, host, failures } = lineOf('dane-validation-restored')
    assert.deepEqual({ level, host, failures }, { level: 'info', host: 'mx.bogus.test', failures: 1 })
  })

  function alarms(): readonly string[] {
    return relay.lines.filter((line) => /"event":"dane-(?!looked-up|validation-restored)/.test(line))
  }

  function lineOf(event: string): Readonly<Record<string, unknown>> {
    const [found, ...more] = relay.lines.map((line) => JSON.parse(line)).filter((one) => one.event === event)
    assert.ok(found !== undefined && more.length === 0, `one ${event} in:\n${relay.lines.join('')}`)
    return found
  }

  async function metrics(): Promise<readonly string[]> {
    const answer = await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)
    return (await answer.text()).split('\n')
  }

  /** With what is given in place of what was; nothing is cached. */
  function serve(changed: Readonly<Record<string, NameRecords>>): void {
    const all = Object.entries({ ...protectedBefore, ...changed })
    const uncached = Object.fromEntries(all.map(([name, records]) => [name, { ttl: 0, ...records }]))
    relay.dns.serve(zone(uncached, { secure: true, negativeTtl: 0 }))
  }

  function losses(): Readonly<Record<string, NameRecords>> {
    const owner = (name: Name) => `_${mx.port}._tcp.mx.${name}.test`
    const tlsa = protectedBefore[owner('quiet')]?.TLSA ?? []
    return {
      [owner('vanished')]: {},
      [owner('unusable')]: { TLSA: tlsa.map((record) => ({ ...record, usage: 1 })) },
      'mx.unsigned.test': { A: [mx.address], secure: false },
      'unsigned-mx.test': { MX: [[10, 'mx.unsigned-mx.test']], secure: false },
    }
  }

  /** One message to each. */
  async function send(...domains: readonly string[]): Promise<void> {
    const client = await relay.greeted()
    for (const domain of domains) {
      await client.command('MAIL FROM:<a@sender.test>')
      await client.command(`RCPT TO:<bob@${domain}>`)
      await client.command('DATA')
      client.send('Subject: hello\r\nFrom: <a@sender.test>\r\n\r\nhello\r\n.\r\n')
      assert.equal((await client.reply())?.code, 250)
    }
    await client.quit()
  }
})

function recordsOf(mx: ScriptedMx, certificate: string): Readonly<Record<string, NameRecords>> {
  const entries = DOMAINS.flatMap((name): (readonly [string, NameRecords])[] => [
    [`${name}.test`, { MX: [[10, `mx.${name}.test`]] }],
    [`mx.${name}.test`, { A: [mx.address] }],
    [`_${mx.port}._tcp.mx.${name}.test`, { TLSA: [tlsaOf(certificate, 3)] }],
  ])
  const late: NameRecords = { MX: [[10, 'mx.bogus.test']] }
  return { '.': { SOA: true, secure: true }, ...Object.fromEntries(entries), 'late.test': late }
}

function pick(line: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((field) => [field, line[field]]))
}

function settings(directory: string, port: number): string {
  return `
data_dir = "${directory}/data"
[delivery]
port = ${port}
[mta_sts]
enabled = false
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
}
