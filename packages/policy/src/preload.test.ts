import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domain, pattern } from './decision.fixture.ts'
import type { NoPolicyReason, StsFacts } from './mta-sts/source-facts.ts'
import { type PreloadList, policyInForce } from './preload.ts'

const example = domain('example.test')
const now = Date.UTC(2026, 9, 1)
const preload: PreloadList = {
  entries: new Map([[example, { mode: 'enforce', mx: [pattern('mx.example.test')] }]]),
  expiresAt: now + 1,
}
const gathered = { policyDomain: example, record: undefined, uncounted: undefined, validUntil: now }
const none = (because: NoPolicyReason): StsFacts => ({ kind: 'none', because, ...gathered })
const policy = { mode: 'testing', mx: [pattern('other.test')], maxAgeSeconds: 86_400, lines: [] } as const
const fetched: StsFacts = {
  ...{ kind: 'policy', mode: 'testing', policy, id: '1', fetchedAt: now, expiresAt: now + 1, from: 'cache' },
  ...gathered,
}
const modeNone = none({
  kind: 'mode-none',
  entry: { policyDomain: example, id: '1', policy: { ...policy, mode: 'none', mx: [] }, fetchedAt: now } as never,
  from: 'cache',
})
const noRecord = none({ kind: 'no-record' })
const lookupFailed = none({ kind: 'record-lookup-failed', reason: { kind: 'timeout' } })

const PRELOADED = {
  mode: 'enforce',
  id: 'preload',
  policy: { mx: [pattern('mx.example.test')] },
  preloaded: true,
}

test('a fetched policy goes before the list, a testing one too', () => {
  assert.equal(policyInForce({ domain: example, fetched, preload, now }).sts, fetched)
})

test('so does the word of the domain that it has none', () => {
  assert.deepEqual(policyInForce({ domain: example, fetched: modeNone, preload, now }), {
    sts: undefined,
    stsUncertain: false,
  })
})

test('where no policy could be had, for whatever reason, the entry is in force', () => {
  assert.deepEqual(policyInForce({ domain: example, fetched: noRecord, preload, now }), {
    sts: PRELOADED,
    stsUncertain: false,
  })
  assert.deepEqual(policyInForce({ domain: example, fetched: lookupFailed, preload, now }), {
    sts: PRELOADED,
    stsUncertain: true,
  })
  assert.deepEqual(policyInForce({ domain: example, fetched: undefined, preload, now }).sts, PRELOADED)
})

test('a domain is meant by its own name only', () => {
  const answer = policyInForce({ domain: domain('sub.example.test'), fetched: noRecord, preload, now })
  assert.equal(answer.sts, undefined)
})

test('a list that is over is not believed', () => {
  assert.equal(policyInForce({ domain: example, fetched: noRecord, preload, now: now + 1 }).sts, undefined)
  const endless = { ...preload, expiresAt: undefined }
  assert.deepEqual(policyInForce({ domain: example, fetched: noRecord, preload: endless, now: now + 1 }).sts, PRELOADED)
})

test('without a list: nothing, and whether that is certain', () => {
  const retryFrom = now
  const error = { kind: 'timeout' } as never
  for (const [facts, stsUncertain] of [
    [noRecord, false],
    [lookupFailed, true],
    [none({ kind: 'fetch-failed', id: '1', error, retryFrom }), true],
    [{ kind: 'unavailable', because: 'cache', ...gathered } as const, true],
    [undefined, false],
  ] as const) {
    assert.deepEqual(policyInForce({ domain: example, fetched: facts, now }), { sts: undefined, stsUncertain })
  }
})
