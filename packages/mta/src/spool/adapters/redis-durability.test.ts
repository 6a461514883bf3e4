import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DurabilityFacts, durability, formatFinding } from './redis-durability.ts'

const GOOD: DurabilityFacts = {
  version: '7.0.15',
  role: 'master',
  replicas: '0',
  clustered: '0',
  appendonly: 'yes',
  appendfsync: 'always',
  noAppendfsyncOnRewrite: 'no',
  maxmemoryPolicy: 'noeviction',
}

test('a server alone that syncs before every answer and evicts nothing is durable', () => {
  assert.deepEqual(durability(GOOD), { kind: 'durable', findings: [], confirms: false })
  assert.equal(durability({ ...GOOD, version: '8.2.1' }).kind, 'durable')
})

for (const [facts, kind, told] of [
  [{ appendonly: 'no' }, 'weak', 'appendonly is no, not yes'],
  [{ appendfsync: 'everysec' }, 'weak', 'appendfsync is everysec, not always'],
  [{ noAppendfsyncOnRewrite: 'yes' }, 'weak', 'no-appendfsync-on-rewrite is yes, not no'],
  [{ maxmemoryPolicy: 'allkeys-lru' }, 'weak', 'maxmemory-policy is allkeys-lru, not noeviction'],
  [{ replicas: '1' }, 'weak', 'replicas: 1; a failover may lose accepted mail'],
  [{ clustered: '1' }, 'weak', 'replicas: cluster; a failover may lose accepted mail'],
  [{ role: 'slave' }, 'unusable', 'role is slave, not master'],
  [{ version: '6.2.14' }, 'unusable', 'version is 6.2.14, at least 7.0 is needed'],
] as const) {
  test(`${told}: ${kind}`, () => {
    const verdict = durability({ ...GOOD, ...facts })
    assert.equal(verdict.kind, kind)
    assert.deepEqual(verdict.findings.map(formatFinding), [told])
  })
}

const REPLICATED = { ...GOOD, version: '7.2.5', replicas: '1', failsOver: true }

test('a server that another may take over is durable from 7.2 on, while its answers wait for a replica', () => {
  for (const facts of [REPLICATED, { ...REPLICATED, clustered: '1' }, { ...REPLICATED, failsOver: false }]) {
    assert.deepEqual(durability(facts), { kind: 'durable', findings: [], confirms: true })
  }
  assert.equal(durability({ ...REPLICATED, appendfsync: 'everysec' }).kind, 'weak')
})

for (const [what, facts, wanted, told] of [
  ['before 7.2', { version: '7.0.15' }, 'strict', 'replicas: 1; a failover may lose accepted mail'],
  ['without a replica', { replicas: '0' }, 'strict', 'replicas: 0; WAITAOF needs one, for a failover may come'],
  [
    'that does not tell of any',
    { replicas: undefined },
    'strict',
    'replicas: unreadable; WAITAOF needs one, for a failover may come',
  ],
  ['for those who bear losses', {}, 'relaxed', 'replicas: 1; a failover may lose accepted mail'],
] as const) {
  test(`a server that another may take over is not durable ${what}`, () => {
    const verdict = durability({ ...REPLICATED, ...facts }, wanted)
    assert.deepEqual([verdict.kind, verdict.confirms], ['weak', false])
    assert.deepEqual(verdict.findings.map(formatFinding), [told])
  })
}

test('whatever the server does not tell counts as not durable', () => {
  for (const name of Object.keys(GOOD)) {
    const verdict = durability({ ...GOOD, [name]: undefined })
    assert.notEqual(verdict.kind, 'durable', name)
    assert.equal(verdict.findings.length, 1, name)
  }
  assert.equal(durability({}).findings.length, 7)
})
