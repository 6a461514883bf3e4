import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domain } from './decision.fixture.ts'
import { overridesInForce, type PolicyOverride, reachesTooFar, WAIVE_DAYS_MAX, type WaiveOverride } from './override.ts'

const example = domain('example.test')
const now = Date.UTC(2026, 9, 1)
const at = (overrides: readonly PolicyOverride[], time = now) =>
  overridesInForce(overrides, { domain: example, now: time })
const waive = (until: number, ...mechanisms: WaiveOverride['mechanisms']): WaiveOverride => ({
  ...{ kind: 'waive', domain: example, mechanisms, until },
  ...{ reason: 'their certificate is being replaced', author: 'postmaster' },
})
const NOTHING = { required: [], waived: [], enforcement: undefined, expired: [], validUntil: undefined }

test('an override is about its own domain, not about those below', () => {
  const overrides: readonly PolicyOverride[] = [
    { kind: 'require', domain: domain('test'), demand: 'dane' },
    { kind: 'require', domain: domain('sub.example.test'), demand: 'dane' },
    { ...waive(now + 1, 'dane'), domain: domain('other.test') },
  ]
  assert.deepEqual(at(overrides), NOTHING)
})

test('written with everything below it, an override is about that and not about the name itself', () => {
  const below = { kind: 'require', domain: domain('test'), below: true, demand: 'pkix' } as const
  assert.deepEqual(at([below]).required, ['pkix'])
  assert.deepEqual(overridesInForce([below], { domain: domain('test'), now }).required, [])
  assert.deepEqual(overridesInForce([below], { domain: domain('latest'), now }).required, [])
})

test('of several that say how policies are enforced, the one that says most about the domain is heard', () => {
  const said = (name: string, enforcement: 'enforce' | 'observe', below?: true) =>
    ({ kind: 'enforcement', domain: domain(name), enforcement, ...(below ? { below } : {}) }) as const
  const far = said('test', 'enforce', true)
  const near = said('example.test', 'observe', true)
  const own = said('a.example.test', 'enforce')
  const of = (name: string) => overridesInForce([far, near, own], { domain: domain(name), now }).enforcement
  assert.deepEqual(['a.example.test', 'b.example.test', 'c.b.example.test', 'example.test', 'test'].map(of), [
    'enforce',
    'observe',
    'observe',
    'enforce',
    undefined,
  ])
})

test('what is required adds up', () => {
  const overrides: readonly PolicyOverride[] = [
    { kind: 'require', domain: example, demand: 'dane' },
    { kind: 'require', domain: example, demand: 'pkix' },
  ]
  assert.deepEqual(at(overrides), { ...NOTHING, required: ['dane', 'pkix'] })
})

test('a waived policy is so until its time, and the decision holds no longer', () => {
  const long = waive(now + 2, 'dane')
  const short = waive(now + 1, 'mta-sts')
  assert.deepEqual(at([long, short]), { ...NOTHING, waived: ['dane', 'mta-sts'], validUntil: now + 1 })
  assert.deepEqual(at([long, short], now + 1), { ...NOTHING, waived: ['dane'], expired: [short], validUntil: now + 2 })
  assert.deepEqual(at([long, short], now + 2), { ...NOTHING, expired: [long, short] })
})

test('DANE that is required is not waived, whoever wrote both', () => {
  const overrides = [waive(now + 1, 'dane', 'mta-sts'), { kind: 'require', domain: example, demand: 'dane' } as const]
  assert.deepEqual(at(overrides).waived, ['mta-sts'])
})

test('enforcement is the domain’s own, and the safe one when both are written', () => {
  const observe = { kind: 'enforcement', domain: example, enforcement: 'observe' } as const
  const enforce = { ...observe, enforcement: 'enforce' } as const
  assert.equal(at([observe]).enforcement, 'observe')
  assert.equal(at([observe, enforce]).enforcement, 'enforce')
})

test(`nobody waives a policy for more than ${WAIVE_DAYS_MAX} days ahead`, () => {
  const days = (count: number) => ({ until: now + count * 86_400_000 })
  assert.equal(reachesTooFar(days(90), now), false)
  assert.equal(reachesTooFar({ until: days(90).until + 1 }, now), true)
  assert.equal(reachesTooFar(days(-1), now), false, 'one that is over is no error')
})
