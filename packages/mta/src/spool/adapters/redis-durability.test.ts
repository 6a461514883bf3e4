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
  assert.deepEqual(durability(GOOD), { kind: 'durable', findings: [] })
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

test('whatever the server does not tell counts as not durable', () => {
  for (const name of Object.keys(GOOD)) {
    const verdict = durability({ ...GOOD, [name]: undefined })
    assert.notEqual(verdict.kind, 'durable', name)
    assert.equal(verdict.findings.length, 1, name)
  }
  assert.equal(durability({}).findings.length, 7)
})
