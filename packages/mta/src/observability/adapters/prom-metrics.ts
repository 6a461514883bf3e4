/**
 * The numbers behind `/metrics`, kept with prom-client, the one file that knows it. What is counted is decided
 * in `metrics.ts`; the state of the queue is asked when somebody scrapes, and kept (`kept-reading.ts`).
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { KeptReading } from '../kept-reading.ts'
import type { LogEvent } from '../log-events.ts'
import { METRICS, type MetricEntry, type MetricUpdate, metricUpdates } from '../metrics.ts'
import { RefusedDomains } from '../refused-domains.ts'
import {
  type QueueSource,
  readState,
  type StateGauges,
  setHealth,
  setNodes,
  setThreads,
  setWaiting,
} from '../state-gauges.ts'

export interface RelayMetrics {
  emit(event: LogEvent): void
  /** The text of one scrape, in the format that its content type names. */
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>
}

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
        gauges.get(update.name)?.set({ ...update.labels }, update.to)
        return
      case 'observe':
        histograms.get(update.name)?.observe({ ...update.labels }, update.value)
    }
  }

  const refused = new RefusedDomains()
  const gaugesOfState: StateGauges = {
    set: (name, value, labels = {}) => gauges.get(name)?.set(labels, value),
    forget: (name) => gauges.get(name)?.reset(),
  }

  const state = new KeptReading({
    read: () => readState(gaugesOfState, queue),
    monotonic: () => performance.now(),
  })

  return {
    emit(event) {
      for (const update of metricUpdates(event)) apply(update)
      refused.note(event, queue.now())
    },
    async scrape() {
      setHealth(gaugesOfState, queue.health())
      gaugesOfState.set('hermetic_policy_refused_domains', refused.count(queue.now()))
      if (queue.holdRules !== undefined) gaugesOfState.set('hermetic_hold_rules', queue.holdRules())
      if (queue.waiting !== undefined) setWaiting(gaugesOfState, queue.waiting())
      if (queue.nodes !== undefined) setNodes(gaugesOfState, queue.nodes())
      const threads = queue.threads?.()
      if (threads !== undefined) setThreads(gaugesOfState, threads)
      await state.fresh()
      gaugesOfState.set('hermetic_queue_read_age_seconds', (state.ageMs ?? Number.NaN) / 1_000)
      return { contentType: registry.contentType, text: await registry.metrics() }
    },
  }
}
