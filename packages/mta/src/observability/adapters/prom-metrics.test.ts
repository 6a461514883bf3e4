import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PolicyCacheUnavailable, type PolicyCount } from '@hermetic/policy'
import { type QueueSummary, type SpoolHealth, StoreUnavailable } from '../../spool/spool.ts'
import { METRICS } from '../metrics.ts'
import { openPromMetrics } from './prom-metrics.ts'

const summary: QueueSummary = {
  messages: 3,
  recipientsOpen: 4,
  held: 1,
  quarantined: 0,
  heldByRules: 0,
  bytes: 5_000,
  oldestReceivedAt: 1_000,
  classes: { urgent: 1, normal: 2, bulk: 0 },
  laneCount: 2,
  lanes: [
    { lane: 'mx:a.test' as never, deliveries: 2, oldestReceivedAt: 1_000 },
    { lane: 'mx:b.test' as never, deliveries: 1, oldestReceivedAt: 7_200_000 },
  ],
  ...{ oldestLanes: [], tags: [] },
}
const health: SpoolHealth = { intake: 'full', claims: 'open', detail: '', usedBytes: 85, maxBytes: 100 }

test('events and the state of the queue show in one scrape', async () => {
  const metrics = openPromMetrics({
    summary: async () => summary,
    health: () => health,
    policies: async () => undefined,
    now: () => 61_000,
  })
  metrics.emit({ event: 'session-opened', listener: 'submission', address: '192.0.2.1' })
  metrics.emit({ event: 'spool-commit', operations: 7, durationMs: 2 })
  const { contentType, text } = await metrics.scrape()
  assert.match(contentType, /^text\/plain/)
  for (const line of [
    'hermetic_sessions_open{listener="submission"} 1',
    'hermetic_spool_operations_total 7',
    'hermetic_spool_commit_seconds_bucket{le="0.0025"} 1',
    'hermetic_queue_messages 3',
    'hermetic_queue_class_deliveries{class="urgent"} 1',
    'hermetic_queue_class_deliveries{class="bulk"} 0',
    'hermetic_queue_oldest_seconds 60',
    'hermetic_queue_readable 1',
    'hermetic_spool_intake_open 0',
    'hermetic_spool_claims_open 1',
  ]) {
    assert.ok(text.split('\n').includes(line), line)
  }
  for (const name of Object.keys(METRICS)) assert.ok(text.includes(`# HELP ${name} `), name)
})

test('lanes are late by their oldest message, and a queue is overdue by the lane that is due longest', async () => {
  const now = 7_200_000
  const metrics = openPromMetrics({
    summary: async () => summary,
    health: () => health,
    policies: async () => undefined,
    earliestDue: async (before) => (before === now ? now - 3_000 : undefined),
    now: () => now,
  })
  const { text } = await metrics.scrape()
  for (const line of [
    'hermetic_queue_lanes_late{older_than="15m"} 1',
    'hermetic_queue_lanes_late{older_than="1h"} 1',
    'hermetic_queue_lanes_late{older_than="4h"} 0',
    'hermetic_queue_overdue_seconds 3',
    'hermetic_policy_refused_domains 0',
    'hermetic_spool_durability_relaxed 0',
  ])
    assert.ok(text.split('\n').includes(line), line)
})

test('a queue that cannot be read is told as such, not as empty', async () => {
  let works = true
  const metrics = openPromMetrics({
    summary: async () => {
      if (works) return summary
      throw new StoreUnavailable('gone')
    },
    health: () => health,
    policies: async () => undefined,
    now: () => 0,
  })
  works = false
  const { text } = await metrics.scrape()
  assert.ok(text.includes('hermetic_queue_readable 0\n') && text.includes('hermetic_queue_messages Nan\n'))
})

test('scrapes that come together ask the store once', async () => {
  let asked = 0
  const metrics = openPromMetrics({
    summary: async () => {
      asked++
      return summary
    },
    health: () => health,
    policies: async () => undefined,
    now: () => 0,
  })
  await Promise.all([metrics.scrape(), metrics.scrape(), metrics.scrape()])
  await metrics.scrape()
  assert.equal(asked, 1)
})

const NOW = 10_000_000

function withPolicies(policies: () => Promise<readonly PolicyCount[] | undefined>) {
  return openPromMetrics({ summary: async () => summary, health: () => health, policies, now: () => NOW })
}

test('cached policies show by mode: how many, how old, how long they still count, how many are overdue', async () => {
  const counted = { policies: 4, stale: 1, oldestFetchedAt: NOW - 90_000_000, soonestExpiresAt: NOW + 3_600_000 }
  const { text } = await withPolicies(async () => [{ mode: 'enforce', ...counted }]).scrape()
  for (const line of [
    'hermetic_sts_cache_readable 1',
    'hermetic_sts_policies{mode="enforce"} 4',
    'hermetic_sts_policies{mode="testing"} 0',
    'hermetic_sts_policies{mode="none"} 0',
    'hermetic_sts_policies_stale{mode="enforce"} 1',
    'hermetic_sts_policy_oldest_seconds{mode="enforce"} 90000',
    'hermetic_sts_policy_oldest_seconds{mode="testing"} Nan',
    'hermetic_sts_policy_expires_seconds{mode="enforce"} 3600',
  ]) {
    assert.ok(text.split('\n').includes(line), line)
  }
})

test('a cache of policies that cannot be read is told as such; without MTA-STS nothing is told of it', async () => {
  const unreadable = await withPolicies(() => Promise.reject(new PolicyCacheUnavailable('gone'))).scrape()
  assert.ok(unreadable.text.includes('hermetic_sts_cache_readable 0\n'))
  assert.doesNotMatch(unreadable.text, /^hermetic_sts_policies\{/m)
  const off = await withPolicies(async () => undefined).scrape()
  assert.ok(off.text.includes('hermetic_sts_cache_readable Nan\n'))
  assert.doesNotMatch(off.text, /^hermetic_sts_policies\{/m)
})
