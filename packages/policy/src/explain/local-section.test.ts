import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyOverride } from '../override.ts'
import { DAY_MS, DOMAIN, explainFacts, NOW } from './explain.fixture.ts'
import { explain } from './explain.ts'

test('nothing is said where nothing is written', () => {
  assert.equal(explain(explainFacts({})).local, undefined)
  const local = { overrides: [], enforcement: 'enforce' } as const
  assert.equal(explain({ ...explainFacts({}), local }).local, undefined)
})

test('overrides are shown with how they stand, an expired one too', () => {
  const waiver = (until: number): PolicyOverride => ({
    ...{ kind: 'waive', domain: DOMAIN, mechanisms: ['mta-sts', 'dane'], until },
    ...{ reason: 'they move', author: 'Jane' },
  })
  const overrides: readonly PolicyOverride[] = [
    { kind: 'require', domain: DOMAIN, demand: 'pkix' },
    { kind: 'enforcement', domain: DOMAIN, enforcement: 'observe' },
    waiver(NOW + DAY_MS),
    waiver(NOW),
  ]
  const section = explain({ ...explainFacts({}), local: { overrides, enforcement: 'observe' } }).local
  assert.deepEqual(section, {
    enforcement: 'observe',
    overrides: [
      { kind: 'require', state: 'active', text: 'requires a certificate for the name of the host' },
      { kind: 'enforcement', state: 'active', text: 'policies are only observed' },
      ...[
        ['active', '2026-11-23T12:00:00.000Z'],
        ['expired', '2026-11-22T12:00:00.000Z'],
      ].map(([state, until]) => ({
        ...{ kind: 'waive', state, text: `waives MTA-STS and DANE until ${until}: they move (Jane)` },
      })),
    ],
  })
})

for (const [state, inForce, expiresAt] of [
  ['in-force', true, undefined],
  ['not-needed', false, NOW + 1],
  ['expired', false, NOW],
] as const) {
  test(`an entry of the preload list: ${state}`, () => {
    const entry = { mode: 'enforce', mx: [{ kind: 'host', name: DOMAIN }] } as const
    const local = { overrides: [], enforcement: 'enforce', preload: { entry, expiresAt, inForce } } as const
    const section = explain({ ...explainFacts({}), local }).local?.preload
    const expires = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }
    assert.deepEqual(section, { mode: 'enforce', mx: [DOMAIN], state, ...expires })
  })
}
