/** DANE in an explanation: the records, the demand they make, what a host shows under them, and what its owner should do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Explanation, parseDomainName } from '@hermetic/policy'
import { laneFor } from '../../packages/mta/src/delivery/routing.ts'
import { createExplainer } from '../../packages/mta/src/explain/explainer.ts'
import { RelayWorld, type WorldOptions } from '../lab/relay-world.ts'

const MX = 'mx.example.test'
const WRONG = Buffer.alloc(32, 7)

function world(options: WorldOptions = {}): Promise<RelayWorld> {
  return RelayWorld.start({ dnssec: {}, hosts: { [MX]: {} }, mx: { 'example.test': [[10, MX]] }, ...options })
}

async function explained({ deliveryOptions: destination }: RelayWorld, domain: string): Promise<Explanation> {
  const lanes = { port: destination.port }
  const explain = createExplainer({
    ...{ by: 'relay', destination },
    laneFor: (mail) => laneFor(mail, lanes),
  })
  const name = parseDomainName(domain)
  assert.ok(name.ok)
  const answer = await explain({ destination: { kind: 'name', name: name.value }, connect: true })
  assert.ok(answer.ok)
  return answer.value
}

test('without TLSA records it is said that there are none; with the right one the host is proven by it', async () => {
  await using lab = await world()
  const before = await explained(lab, 'example.test')
  assert.equal(before.hosts[0]?.dane?.because, 'no-tlsa')
  const shown = before.hosts[0]?.addresses[0]?.session?.tls?.chain[0]?.fingerprintSha256 ?? ''
  const data = Buffer.from(shown.replaceAll(':', ''), 'hex')
  lab.serve({
    ...lab.records,
    'other.test': { MX: [[10, 'mx.other.test']] },
    'mx.other.test': { A: [lab.mx(MX).address] },
    [`_${lab.port}._tcp.mx.other.test`]: { TLSA: [{ usage: 3, selector: 0, matchingType: 1, data }] },
  })
  const { conclusion, hosts, advice } = await explained(lab, 'other.test')
  assert.equal(conclusion.kind, 'deliverable')
  assert.match(conclusion.sentence, /its certificate is the one that DANE means/)
  assert.equal(hosts[0]?.addresses[0]?.session?.level, 'dane')
  assert.deepEqual(hosts[0]?.demand?.proofs, ['encrypted', 'dane'])
  assert.deepEqual(hosts[0]?.dane?.records, [`3 0 1 ${data.toString('hex')}`])
  assert.deepEqual(
    advice.map(({ code }) => code),
    [],
  )
})

test('a certificate that the records do not mean is refused, and its owner is told', async () => {
  await using lab = await world()
  lab.serve({
    ...lab.records,
    [`_${lab.port}._tcp.${MX}`]: { TLSA: [{ usage: 3, selector: 1, matchingType: 1, data: WRONG }] },
  })
  const { conclusion, advice, hosts } = await explained(lab, 'example.test')
  assert.equal(conclusion.kind, 'refused')
  assert.match(conclusion.sentence, /no certificate that it shows is what the TLSA records say\.$/)
  assert.deepEqual(
    advice.map(({ code, severity }) => `${severity} ${code}`),
    ['broken mx-tlsa-mismatch'],
  )
  assert.ok(hosts[0]?.addresses[0]?.session?.reports?.some(({ policyType }) => policyType === 'tlsa'))
})

test('a TLSA lookup that fails forbids the host, and nobody connects', async () => {
  await using lab = await world()
  lab.dns.fail(`_${lab.port}._tcp.${MX}`, { kind: 'rcode', rcode: 'SERVFAIL' })
  const { conclusion, advice, hosts } = await explained(lab, 'example.test')
  assert.equal(conclusion.kind, 'refused')
  assert.equal(hosts[0]?.standing, 'forbidden')
  assert.equal(hosts[0]?.dane?.kind, 'failure')
  assert.deepEqual(
    advice.map(({ code }) => code),
    ['mx-tlsa-lookup-failed'],
  )
  assert.deepEqual(lab.mx(MX).connections, [])
})
