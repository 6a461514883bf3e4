/** RPT-56 to RPT-63 together: a day of mail to hosts of every kind, and totals that are what the hosts saw. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyEntry } from '@hermetic/reporter'
import { DOMAIN, MX } from '../lab/dane-world.ts'
import { ReportWorld, tlsrptRecord } from '../lab/report-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const MESSAGES = 4

/** By the first label of the domain: its host, and what its sessions are. */
const DOMAINS: Readonly<Record<string, { readonly host: HostOptions; readonly good: boolean }>> = {
  plain: { host: {}, good: true },
  expired: { host: { tls: 'expired' }, good: true },
  clear: { host: { tls: 'none' }, good: false },
  refusing: { host: { script: { STARTTLS: '454 4.7.0 not now' } }, good: false },
  broken: { host: { script: { STARTTLS: { reply: '220 go', handshake: 'garbage' } } }, good: false },
  unwanted: { host: {}, good: true },
}

test('what hosts of every kind saw is what is counted of their domains, and nobody else is', async () => {
  const names = Object.keys(DOMAINS)
  const others = {
    hosts: Object.fromEntries(names.map((name) => [`mx.${name}.test`, DOMAINS[name]?.host ?? {}])),
    mx: Object.fromEntries(names.map((name) => [`${name}.test`, [[10, `mx.${name}.test`]] as const])),
    records: Object.assign(
      {},
      ...names.filter((name) => name !== 'unwanted').map((name) => tlsrptRecord(`${name}.test`)),
    ),
  }
  // Each message has its own connection, so that the hosts can be asked how many sessions there were.
  const reuse = { idleMs: 0, ageMs: 0, transactions: 1 }
  await using world = await ReportWorld.start({ policy: { mode: 'enforce', mx: [MX] }, others, delivery: { reuse } })
  const domains = [DOMAIN, ...names.map((name) => `${name}.test`)]
  await Promise.all(domains.map((domain) => sendAll(world, domain)))

  assert.deepEqual(await totals(world, DOMAIN), { good: MESSAGES * 2, failed: 0 }, 'DANE and MTA-STS, side by side')
  assert.equal(world.mx(MX).connections.filter(({ inTls }) => inTls).length, MESSAGES)
  for (const [name, { good }] of Object.entries(DOMAINS)) {
    const { connections, messages } = world.mx(`mx.${name}.test`)
    assert.equal(messages.length, MESSAGES, name)
    const secured = connections.filter(({ inTls }) => inTls).length
    assert.equal(secured, good ? MESSAGES : 0, name)
    const wanted = { good: secured, failed: MESSAGES - secured }
    assert.deepEqual(await totals(world, `${name}.test`), name === 'unwanted' ? { good: 0, failed: 0 } : wanted, name)
  }
})

async function sendAll({ sts }: ReportWorld, domain: string): Promise<void> {
  for (let number = 0; number < MESSAGES; number += 1) await sts.send(domain)
}

async function totals(world: ReportWorld, domain: string): Promise<{ readonly good: number; readonly failed: number }> {
  const entries = (await world.entries(domain)) ?? []
  const sum = (member: keyof PolicyEntry['summary']): number =>
    entries.reduce((total, { summary }) => total + summary[member], 0)
  return { good: sum('total-successful-session-count'), failed: sum('total-failure-session-count') }
}
