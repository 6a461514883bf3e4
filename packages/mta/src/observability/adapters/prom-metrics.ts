/**
 * The numbers behind `/metrics`, kept with prom-client, the one file that knows it. What is counted is decided
 * in `metrics.ts`; the state of the queue is asked when somebody scrapes, and at most once in five seconds.
 */

import type { PolicyCount, StsMode } from '@hermetic/policy'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { QueueSummary, SpoolHealth } from '../../spool/spool.ts'
import type { LogEvent } from '../log-events.ts'
import {
  METRICS,
  type MetricEntry,
  type MetricLabels,
  type MetricName,
  type MetricUpdate,
  metricUpdates,
} from '../metrics.ts'

export interface RelayMetrics {
  emit(event: LogEvent): void
  /** The text of one scrape, in the format that its content type names. */
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>
}

export interface QueueSource {
  summary(): Promise<QueueSummary>
  health(): SpoolHealth
  /** Undefined: MTA-STS is off. */
  policies(): Promise<readonly PolicyCount[] | undefined>
  /** UTC milliseconds. */
  now(): number
}

/** A summary looks at every lane; scrapers come every 10 seconds or more. */
const SUMMARY_KEPT_MS = 5_000

export function openPromMetrics(queue: QueueSource): RelayMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const counters = new Map<string, Counter>()
  const gauges = new Map<string, Gauge>()
  const histograms = new Map<string, Histogram>()
  for (const [name, entry] of Object.entries<MetricEntry>(METRICS)) {
    const options = { name, help: entry.help, labelNames: [...(entry.labels ?? [])], registers: [registry] }
    if (entry.type === 'counter') counters.set(name, new Counter(options))
    else if (entry.type === 'gauge') gauges.set(name, new Gauge(options))
    else histograms.set(name, new Histogram({ ...options, buckets: [...(entry.buckets ?? [])] }))
  }

  const apply = (update: MetricUpdate): void => {
    switch (update.kind) {
      case 'count':
        // A counter that was never touched is not shown; one that counts nothing yet is.
        counters.get(update.name)?.inc({ ...update.labels }, update.by)
        return
      case 'move':
        gauges.get(update.name)?.inc({ ...update.labels }, update.by)
        return
      case 'set':
        gauges.get(update.name)?.set(update.to)
        return
      case 'observe':
        histograms.get(update.name)?.observe({ ...update.labels }, update.value)
    }
  }
  const set: SetGauge = (name, value, labels = {}) => gauges.get(name)?.set(labels, value)

  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  const readQueue = async (): Promise<void> => {
    try {
      setQueue(set, await queue.summary(), queue.now())
      set('hermetic_queue_readable', 1)
    } catch {
      // Old numbers would look like news.
      for (const name of QUEUE_GAUGES) set(name, Number.NaN)
      set('hermetic_queue_readable', 0)
    }
    try {
      setPolicies(set, { counts: await queue.policies(), now: queue.now() })
    } catch {
      for (const name of POLICY_GAUGES) gauges.get(name)?.reset()
      set('hermetic_sts_cache_readable', 0)
    }
    readAt = performance.now()
  }

  return {
    emit(event) {
      for (const update of metricUpdates(event)) apply(update)
    },
    async scrape() {
      setHealth(set, queue.health())
      if (performance.now() - readAt > SUMMARY_KEPT_MS) {
        reading ??= readQueue().finally(() => {
          reading = undefined
        })
        await reading
      }
      return { contentType: registry.contentType, text: await registry.metrics() }
    },
  }
}

type SetGauge = (name: MetricName, value: number, labels?: MetricLabels) => void

const QUEUE_GAUGES = [
  'hermetic_queue_messages',
  'hermetic_queue_recipients',
  'hermetic_queue_held',
  'hermetic_queue_quarantined',
  'hermetic_queue_bytes',
  'hermetic_queue_lanes',
  'hermetic_queue_oldest_seconds',
] as const satisfies readonly MetricName[]

function setQueue(set: SetGauge, summary: QueueSummary, now: number): void {
  const oldest = summary.oldestReceivedAt
  const values: Record<(typeof QUEUE_GAUGES)[number], number> = {
    hermetic_queue_messages: summary.messages,
    hermetic_queue_recipients: summary.recipientsOpen,
    hermetic_queue_held: summary.held,
    hermetic_queue_quarantined: summary.quarantined,
    hermetic_queue_bytes: summary.bytes,
    hermetic_queue_lanes: summary.lanes.length,
    hermetic_queue_oldest_seconds: oldest === undefined ? 0 : Math.max(0, (now - oldest) / 1000),
  }
  for (const name of QUEUE_GAUGES) set(name, values[name])
}

function setHealth(set: SetGauge, health: SpoolHealth): void {
  set('hermetic_spool_used_bytes', health.usedBytes)
  set('hermetic_spool_limit_bytes', health.maxBytes)
  set('hermetic_spool_intake_open', health.intake === 'open' ? 1 : 0)
  set('hermetic_spool_claims_open', health.claims === 'open' ? 1 : 0)
}

const POLICY_GAUGES = [
  'hermetic_sts_policies',
  'hermetic_sts_policies_stale',
  'hermetic_sts_policy_oldest_seconds',
  'hermetic_sts_policy_expires_seconds',
] as const satisfies readonly MetricName[]

const MODES: readonly StsMode[] = ['enforce', 'testing', 'none']

/** A mode without a policy has a number of zero, and neither an oldest nor a next one. */
function setPolicies(
  set: SetGauge,
  { counts, now }: { readonly counts: readonly PolicyCount[] | undefined; readonly now: number },
): void {
  set('hermetic_sts_cache_readable', counts === undefined ? Number.NaN : 1)
  if (counts === undefined) return
  for (const mode of MODES) {
    const count = counts.find((one) => one.mode === mode)
    set('hermetic_sts_policies', count?.policies ?? 0, { mode })
    set('hermetic_sts_policies_stale', count?.stale ?? 0, { mode })
    const oldest = count === undefined ? Number.NaN : Math.max(0, (now - count.oldestFetchedAt) / 1000)
    const expires = count === undefined ? Number.NaN : Math.max(0, (count.soonestExpiresAt - now) / 1000)
    set('hermetic_sts_policy_oldest_seconds', oldest, { mode })
    set('hermetic_sts_policy_expires_seconds', expires, { mode })
  }
}
