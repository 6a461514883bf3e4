/** The metrics of the store. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { SpoolEvent } from '../spool/events.ts'

/** From a group commit on a good disk to a slow one. */
const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]
export const SPOOL_METRICS = {
  hermetic_spool_commits_total: { type: 'counter', help: 'Commits of the store.' },
  hermetic_spool_operations_total: { type: 'counter', help: 'Operations in these commits.' },
  hermetic_spool_commit_seconds: { type: 'histogram', help: 'Duration of commits.', buckets: COMMIT_SECONDS },
  hermetic_spool_failures_total: { type: 'counter', help: 'Times that the store stopped working.' },
  hermetic_spool_reserve_released_total: { type: 'counter', help: 'Times that a full disk took the reserve.' },
  hermetic_spool_accepts_voided_total: { type: 'counter', help: 'Accepts without a certain outcome.' },
  hermetic_spool_journalled_total: { type: 'counter', help: 'Outcomes written to the journal.' },
  hermetic_spool_replayed_total: {
    type: 'counter',
    help: 'Journal entries by what became of them.',
    labels: ['entry'],
  },
  hermetic_spool_merged_recipients_total: {
    type: 'counter',
    help: 'Recipients of outcomes that came after their lease.',
    labels: ['result'],
  },
  hermetic_spool_orphans_removed_total: { type: 'counter', help: 'Content files without an envelope.' },
  hermetic_spool_suspects_total: { type: 'counter', help: 'Messages in flight when the relay died.' },
  hermetic_spool_quarantined_total: { type: 'counter', help: 'Messages set aside.' },
  hermetic_spool_unreadable_total: { type: 'counter', help: 'Messages whose content is missing or damaged.' },
  hermetic_spool_thread_restarts_total: { type: 'counter', help: 'Restarts of the store thread.' },
  hermetic_spool_not_durable_total: {
    type: 'counter',
    help: 'Connections to a store that may lose what it answers, by whether it was used all the same.',
    labels: ['used'],
  },
  hermetic_spool_durability_relaxed: {
    type: 'gauge',
    help: '1 while the store in use may lose mail that was answered 250, as durability = "relaxed" bears.',
  },
} as const

type Counter = Exclude<
  keyof typeof SPOOL_METRICS,
  'hermetic_spool_commit_seconds' | 'hermetic_spool_durability_relaxed'
>
type Named<E extends SpoolEvent['event']> = Extract<SpoolEvent, { readonly event: E }>

function count(name: Counter, labels: Readonly<Record<string, string>> = {}, by = 1) {
  return { kind: 'count', name, by, labels } as const
}

/** Of the store in use: one that was refused is not, and says nothing of it. */
function relaxed(to: 0 | 1) {
  return { kind: 'set', name: 'hermetic_spool_durability_relaxed', to } as const
}

const nothing = (): readonly never[] => []

/** By event. */
export const SPOOL_UPDATES = {
  'spool-commit': ({ operations, durationMs }: Named<'spool-commit'>) => [
    count('hermetic_spool_commits_total'),
    count('hermetic_spool_operations_total', {}, operations),
    { kind: 'observe', name: 'hermetic_spool_commit_seconds', value: durationMs / 1000, labels: {} } as const,
  ],
  'spool-failing': () => [count('hermetic_spool_failures_total')],
  'spool-recovered': nothing,
  'spool-room-changed': nothing,
  'spool-reserve-released': () => [count('hermetic_spool_reserve_released_total')],
  'spool-reserve-restored': nothing,
  'spool-accept-voided': () => [count('hermetic_spool_accepts_voided_total')],
  'spool-settle-journalled': () => [count('hermetic_spool_journalled_total')],
  'spool-journal-replayed': ({ settlements, tombstones, damagedLines, refused }: Named<'spool-journal-replayed'>) => [
    count('hermetic_spool_replayed_total', { entry: 'settlement' }, settlements),
    count('hermetic_spool_replayed_total', { entry: 'tombstone' }, tombstones),
    count('hermetic_spool_replayed_total', { entry: 'damaged' }, damagedLines),
    count('hermetic_spool_replayed_total', { entry: 'refused' }, refused),
  ],
  'spool-settle-merged': ({ closed, ignored }: Named<'spool-settle-merged'>) => [
    count('hermetic_spool_merged_recipients_total', { result: 'closed' }, closed),
    count('hermetic_spool_merged_recipients_total', { result: 'ignored' }, ignored),
  ],
  'spool-orphan-removed': () => [count('hermetic_spool_orphans_removed_total')],
  'spool-suspects-found': ({ ids }: Named<'spool-suspects-found'>) => [
    count('hermetic_spool_suspects_total', {}, ids.length),
  ],
  'spool-message-quarantined': () => [count('hermetic_spool_quarantined_total')],
  'spool-content-unreadable': () => [count('hermetic_spool_unreadable_total')],
  'spool-thread-restarted': () => [count('hermetic_spool_thread_restarts_total')],
  'spool-durable': () => [relaxed(0)],
  'spool-left-behind': nothing,
  'spool-durability-relaxed': () => [relaxed(1), count('hermetic_spool_not_durable_total', { used: 'yes' })],
  'spool-server-refused': () => [count('hermetic_spool_not_durable_total', { used: 'no' })],
}
