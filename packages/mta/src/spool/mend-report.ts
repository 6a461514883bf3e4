/**
 * What was found when everything derived from the messages was compared with them: indexes, sums, the schedule. Facts;
 * `cli/rebuild-text.ts` has the sentences. Pure.
 */

export type MendKind =
  /** Messages and deliveries: nothing of them is changed, only where they stand. */
  | 'message-not-listed'
  | 'message-not-there'
  | 'delivery-missing'
  /** In no lane, and perhaps in a worker's hands: due again after a lease. */
  | 'delivery-in-doubt'
  | 'delivery-twice'
  | 'delivery-at-wrong-time'
  | 'delivery-stray'
  | 'stopped-missing'
  | 'stopped-stray'
  | 'lease-stray'
  | 'age-not-watched'
  | 'size-wrong'
  | 'column-wrong'
  | 'class-wrong'
  | 'index-damaged'
  | 'key-of-wrong-kind'
  /** Lanes: when each is due, and the jobs that say so. */
  | 'lane-missing'
  | 'lane-stray'
  | 'lane-far'
  | 'lane-job-lost'
  | 'backoff-far'
  | 'job-stray'
  | 'job-lost'
  | 'job-counter'
  | 'jobs-paused'
  /** Of the messages themselves: told, never touched. */
  | 'message-damaged'
  | 'delivery-without-message'
  | 'store-damaged'

/** Told and left as they are: a rebuild makes only what it can derive. */
export const NOT_MENDED: ReadonlySet<MendKind> = new Set([
  'message-damaged',
  'delivery-without-message',
  'store-damaged',
])

export interface MendFinding {
  readonly kind: MendKind
  readonly count: number
  readonly examples: readonly string[]
}

export interface MendReport {
  readonly messages: number
  readonly lanes: number
  readonly findings: readonly MendFinding[]
}

const EXAMPLES_MAX = 3

/** Findings of one kind as one. */
export function joinedFindings(findings: readonly MendFinding[]): readonly MendFinding[] {
  const joined = new Map<MendKind, MendFinding>()
  for (const { kind, count, examples } of findings) {
    const known = joined.get(kind)
    joined.set(kind, {
      kind,
      count: (known?.count ?? 0) + count,
      examples: [...(known?.examples ?? []), ...examples].slice(0, EXAMPLES_MAX),
    })
  }
  return [...joined.values()]
}
