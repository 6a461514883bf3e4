import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DomainName, type PolicyOverride, parseDomainName, type WaiveOverride } from '@hermetic/policy'
import type { LocalPolicyEvent } from './events.ts'
import { OverrideWatch } from './override-watch.ts'
import { localPolicyReport } from './report.ts'

const DAY_MS = 86_400_000
const START = Date.UTC(2026, 9, 1)

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok)
  return name.value
}

const waiver = (until: number): WaiveOverride => ({
  ...{ kind: 'waive', domain: domain('a.example'), mechanisms: ['dane'], until },
  ...{ reason: 'their certificate', author: 'Jane' },
})
const OBSERVE: PolicyOverride = {
  kind: 'enforcement',
  domain: domain('b.example'),
  below: true,
  enforcement: 'observe',
}
const REQUIRE: PolicyOverride = { kind: 'require', domain: domain('c.example'), demand: 'dane' }

function watched(overrides: readonly PolicyOverride[], enforcement: 'enforce' | 'observe' = 'enforce') {
  const clock = { now: START }
  const events: LocalPolicyEvent[] = []
  const emit = (event: LocalPolicyEvent): void => void events.push(event)
  const watch = new OverrideWatch({ overrides, enforcement, now: () => clock.now, emit })
  return { watch, clock, take: () => events.splice(0).map(({ event }) => event) }
}

test('a start tells what is waived and that policies are only observed', () => {
  const { watch, take } = watched([waiver(START + 30 * DAY_MS), OBSERVE, REQUIRE])
  watch.tellAll()
  assert.deepEqual(take(), ['overrides-in-force', 'policies-only-observed', 'policy-waived'])
  const quiet = watched([REQUIRE])
  quiet.watch.tellAll()
  assert.deepEqual(quiet.take(), ['overrides-in-force'])
  const observing = watched([], 'observe')
  observing.watch.tellAll()
  assert.deepEqual(observing.take(), ['overrides-in-force', 'policies-only-observed'])
})

test('a waiver is told a week before its end and at its end, once each', () => {
  const { watch, clock, take } = watched([waiver(START + 30 * DAY_MS)])
  watch.tellAll()
  take()
  for (const [day, told] of [
    [22.9, []],
    [23, ['policy-waiver-expiring']],
    [29, []],
    [30, ['policy-waiver-expired', 'overrides-in-force']],
    [31, []],
  ] as const) {
    clock.now = START + day * DAY_MS
    watch.look()
    watch.look()
    assert.deepEqual(take(), told, `day ${day}`)
  }
})

test('one that was over before the start is told as that, and not as waived', () => {
  const { watch, take } = watched([waiver(START)])
  watch.tellAll()
  assert.deepEqual(take(), ['overrides-in-force', 'policy-waiver-expired', 'overrides-in-force'])
})

test('a report says how each of them stands', () => {
  const states = [60, 7, 0].map((days) => waiver(START + days * DAY_MS))
  const report = localPolicyReport({
    overrides: [...states, OBSERVE],
    enforcement: 'enforce',
    preload: { path: '/list', list: { entries: new Map(), expiresAt: START } },
    now: START,
  })
  assert.deepEqual(
    report.overrides.map(({ state, domain: name }) => `${name} ${state}`),
    ['a.example active', 'a.example expiring', 'a.example expired', '*.b.example active'],
  )
  assert.deepEqual(report.preload, { path: '/list', domains: 0, state: 'expired', expiresAt: START })
})
