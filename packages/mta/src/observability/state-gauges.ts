/** What gauges show of the queue and of the cached policies when somebody scrapes. Where the numbers go is a port. */
import type { PolicyCount, StsMode } from '@hermetic/policy'
import type { NodeReading } from '../nodes/node-service.ts'
import { ROLES } from '../nodes/role.ts'
import { countByStanding } from '../nodes/standing.ts'
import { MAIL_CLASSES } from '../spool/mail-class.ts'
import type { QueueSummary, SpoolHealth } from '../spool/spool.ts'
import type { ThreadReading } from '../threads/thread-reading.ts'
import type { MetricLabels, MetricName } from './metrics.ts'

export interface QueueSource {
  summary(): Promise<QueueSummary>
  health(): SpoolHealth
  /** When the first lane became due that is due by now and that nobody serves. */
  earliestDue?(now: number): Promise<number | undefined>
  /** Undefined: MTA-STS is off. */
  policies(): Promise<readonly PolicyCount[] | undefined>
  /** This relay among the others of its queue. */
  nodes?(): NodeReading
  /** Undefined: all work is done in one thread. */
  threads?(): ThreadReading | undefined
  /** Lanes of this relay that wait, by the limit of their site. */
  waiting?(): Readonly<Record<string, number>>
  /** Rules that hold mail. */
  holdRules?(): number
  /** UTC milliseconds. */
  now(): number
}

export interface StateGauges {
  set(name: MetricName, value: number, labels?: MetricLabels): void
  /** With all its labels. */
  forget(name: MetricName): void
}

/** Never rejects: what cannot be read is told by a gauge of its own, for old numbers would look like news. */
export async function readState(gauges: StateGauges, source: QueueSource): Promise<void> {
  const { summary, policies, now } = source
  try {
    setQueue(gauges, await summary(), now())
    const dueSince = await source.earliestDue?.(now())
    gauges.set('hermetic_queue_overdue_seconds', dueSince === undefined ? 0 : Math.max(0, (now() - dueSince) / 1000))
    gauges.set('hermetic_queue_readable', 1)
  } catch {
    for (const name of [...QUEUE_GAUGES, 'hermetic_queue_overdue_seconds'] as const) gauges.set(name, Number.NaN)
    for (const name of ['hermetic_queue_class_deliveries', 'hermetic_queue_lanes_late', ...NAMED_GAUGES] as const)
      gauges.forget(name)
    gauges.set('hermetic_queue_readable', 0)
  }
  try {
    setPolicies(gauges, { counts: await policies(), now: now() })
  } catch {
    for (const name of POLICY_GAUGES) gauges.forget(name)
    gauges.set('hermetic_sts_cache_readable', 0)
  }
}

const QUEUE_GAUGES = [
  'hermetic_queue_messages',
  'hermetic_queue_recipients',
  'hermetic_queue_held',
  'hermetic_queue_held_by_rules',
  'hermetic_queue_quarantined',
  'hermetic_queue_bytes',
  'hermetic_queue_lanes',
  'hermetic_queue_oldest_seconds',
] as const satisfies readonly MetricName[]

function setQueue(gauges: StateGauges, summary: QueueSummary, now: number): void {
  const { set } = gauges
  const oldest = summary.oldestReceivedAt
  const values: Record<(typeof QUEUE_GAUGES)[number], number> = {
    hermetic_queue_messages: summary.messages,
    hermetic_queue_recipients: summary.recipientsOpen,
    hermetic_queue_held: summary.held,
    hermetic_queue_held_by_rules: summary.heldByRules,
    hermetic_queue_quarantined: summary.quarantined,
    hermetic_queue_bytes: summary.bytes,
    hermetic_queue_lanes: summary.laneCount,
    hermetic_queue_oldest_seconds: oldest === undefined ? 0 : Math.max(0, (now - oldest) / 1000),
  }
  for (const name of QUEUE_GAUGES) set(name, values[name])
  for (const one of MAIL_CLASSES) set('hermetic_queue_class_deliveries', summary.classes[one], { class: one })
  for (const [age, ms] of Object.entries(LATE_MS)) {
    const late = summary.lanes.filter((lane) => now - lane.oldestReceivedAt > ms)
    set('hermetic_queue_lanes_late', late.length, { older_than: age })
  }
  setNamed(gauges, summary, now)
}

/** A name costs whoever scrapes a series: only so many have one. */
const NAMED_MAX = 20

const NAMED_GAUGES = [
  'hermetic_queue_lane_oldest_seconds',
  'hermetic_queue_tag_oldest_seconds',
  'hermetic_queue_tag_messages',
] as const satisfies readonly MetricName[]

/** Names come and go with the mail. */
function setNamed({ set, forget }: StateGauges, { oldestLanes, tags }: QueueSummary, now: number): void {
  for (const name of NAMED_GAUGES) forget(name)
  const seconds = (since: number): number => Math.max(0, (now - since) / 1000)
  for (const { lane, oldestReceivedAt } of oldestLanes.slice(0, NAMED_MAX))
    set('hermetic_queue_lane_oldest_seconds', seconds(oldestReceivedAt), { lane })
  for (const { tag, messages, oldestReceivedAt } of tags.slice(0, NAMED_MAX)) {
    set('hermetic_queue_tag_oldest_seconds', seconds(oldestReceivedAt), { tag })
    set('hermetic_queue_tag_messages', messages, { tag })
  }
}

/** From what passes by itself to what a sender has been told of. */
const LATE_MS = { '15m': 900_000, '1h': 3_600_000, '4h': 14_400_000, '1d': 86_400_000 } as const

export function setHealth({ set }: StateGauges, health: SpoolHealth): void {
  set('hermetic_spool_used_bytes', health.usedBytes)
  set('hermetic_spool_limit_bytes', health.maxBytes)
  set('hermetic_spool_intake_open', health.intake === 'open' ? 1 : 0)
  set('hermetic_spool_claims_open', health.claims === 'open' ? 1 : 0)
}

export function setWaiting({ set }: StateGauges, waiting: Readonly<Record<string, number>>): void {
  for (const [limit, lanes] of Object.entries(waiting)) set('hermetic_lanes_waiting', lanes, { limit })
}

/** Old numbers of other relays would look like news: without the store there are none. */
export function setNodes({ set, forget }: StateGauges, { nodes, draining, beatAgeMs, skewMs }: NodeReading): void {
  if (nodes === undefined) for (const name of ['hermetic_nodes', 'hermetic_role_nodes'] as const) forget(name)
  for (const [state, count] of nodes === undefined ? [] : countByStanding(nodes))
    set('hermetic_nodes', count, { state })
  for (const role of nodes === undefined ? [] : ROLES) {
    const working = nodes?.filter((node) => node.standing === 'running' && node.roles.includes(role)) ?? []
    set('hermetic_role_nodes', working.length, { role })
  }
  set('hermetic_node_draining', draining ? 1 : 0)
  set('hermetic_node_beat_age_seconds', (beatAgeMs ?? Number.NaN) / 1_000)
  set('hermetic_node_clock_skew_seconds', (skewMs ?? Number.NaN) / 1_000)
}

/** A thread that is gone has no numbers. */
export function setThreads({ set, forget }: StateGauges, { wanted, threads }: ThreadReading): void {
  set('hermetic_threads', wanted, { state: 'wanted' })
  set('hermetic_threads', threads.length, { state: 'up' })
  forget('hermetic_thread_lag_seconds')
  forget('hermetic_thread_utilization')
  for (const { thread, lagP99Ms, lagMaxMs, utilization } of threads) {
    const label = String(thread)
    set('hermetic_thread_lag_seconds', lagP99Ms / 1_000, { thread: label, quantile: '0.99' })
    set('hermetic_thread_lag_seconds', lagMaxMs / 1_000, { thread: label, quantile: '1' })
    set('hermetic_thread_utilization', utilization, { thread: label })
  }
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
  { set }: StateGauges,
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
