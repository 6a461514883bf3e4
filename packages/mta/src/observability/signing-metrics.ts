/** The metrics of DKIM. A part of `metrics.ts`, which says what counts. Pure. */
import type { SigningOutcome } from '../signing/dkim.ts'

export const SIGNING_METRICS = {
  hermetic_dkim_signatures_total: {
    type: 'counter',
    help: 'DKIM signatures made, by algorithm; a message may get several.',
    labels: ['algorithm'],
  },
  hermetic_dkim_unsigned_total: {
    type: 'counter',
    help: 'Messages that were not signed although keys are configured: no-key, several-domains, unreadable-from, not-permitted.',
    labels: ['reason'],
  },
  hermetic_dkim_failures_total: { type: 'counter', help: 'Messages answered 451 because they could not be signed.' },
  hermetic_dkim_keys: { type: 'gauge', help: 'Keys that sign.' },
} as const

function count(
  name: 'hermetic_dkim_signatures_total' | 'hermetic_dkim_unsigned_total' | 'hermetic_dkim_failures_total',
) {
  return (labels: Readonly<Record<string, string>>) => ({ kind: 'count', name, by: 1, labels }) as const
}

/** What became of a message that could have been signed. */
export function signed(dkim: SigningOutcome | undefined) {
  if (dkim === undefined) return []
  if (dkim.kind === 'unsigned') return [count('hermetic_dkim_unsigned_total')({ reason: dkim.reason })]
  return dkim.algorithms.map((algorithm) => count('hermetic_dkim_signatures_total')({ algorithm }))
}

/** By event. */
export const SIGNING_UPDATES = {
  'dkim-key-loaded': () => [{ kind: 'move', name: 'hermetic_dkim_keys', by: 1, labels: {} } as const],
  'dkim-key-exposed': (): readonly never[] => [],
  'dkim-keys-replaced': ({ keys }: { readonly keys: number }) => [
    { kind: 'set', name: 'hermetic_dkim_keys', to: keys } as const,
  ],
  'dkim-signing-failed': () => [count('hermetic_dkim_failures_total')({})],
}
