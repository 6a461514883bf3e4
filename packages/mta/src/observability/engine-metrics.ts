/**
 * The metrics of lanes, permits, and of what relays share in Redis. A part of `metrics.ts`, which checks that it is
 * complete. Pure.
 */
import type { ScheduleEvent } from '../schedule/events.ts'

type Abandoned = Extract<ScheduleEvent, { readonly event: 'turns-abandoned' }>

export const ENGINE_METRICS = {
  hermetic_schedule_failures_total: { type: 'counter', help: 'Times that due lanes could not be read.' },
  hermetic_turns_abandoned_total: { type: 'counter', help: 'Turns that stopping did not wait for.' },
  hermetic_shared_outages_total: {
    type: 'counter',
    help: 'Times that what relays share in Redis could not be asked.',
    labels: ['part'],
  },
  hermetic_lanes_waiting: {
    type: 'gauge',
    help: 'Lanes of this relay that wait for a limit of their site: connections, rate.',
    labels: ['limit'],
  },
  hermetic_permits_lost_total: { type: 'counter', help: 'Permits whose lease ended while they were in use.' },
  hermetic_lane_worker_restarts_total: { type: 'counter', help: 'Times that lane jobs waited and none was taken.' },
  hermetic_turns_overtaken_total: { type: 'counter', help: 'Turns whose lane another relay took over.' },
} as const

type Counter = Exclude<keyof typeof ENGINE_METRICS, 'hermetic_lanes_waiting'>

function count(name: Counter, labels: Readonly<Record<string, string>> = {}, by = 1) {
  return { kind: 'count', name, by, labels } as const
}

const nothing = (): readonly never[] => []

export const ENGINE_UPDATES = {
  'schedule-refill-failed': () => [count('hermetic_schedule_failures_total')],
  'turns-abandoned': ({ count: turns }: Abandoned) => [count('hermetic_turns_abandoned_total', {}, turns)],
  'permits-unavailable': () => [count('hermetic_shared_outages_total', { part: 'permits' })],
  'permits-available': nothing,
  'permit-lost': () => [count('hermetic_permits_lost_total')],
  'lane-worker-idle': () => [count('hermetic_lane_worker_restarts_total')],
  'lane-jobs-unavailable': () => [count('hermetic_shared_outages_total', { part: 'lane-jobs' })],
  'lane-jobs-available': nothing,
  'turn-overtaken': () => [count('hermetic_turns_overtaken_total')],
} as const
