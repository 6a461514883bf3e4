/** The metrics of the socketmap, and what counts. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { SocketmapEvent } from '@hermetic/policy'

export const SOCKETMAP_METRICS = {
  hermetic_socketmap_answers_total: {
    type: 'counter',
    help: 'Answers to Postfix: a TLS level, not-found, temporary or permanent.',
    labels: ['answer'],
  },
  hermetic_socketmap_lookups_total: {
    type: 'counter',
    help: 'Of those, answers that were not remembered, by what they were.',
    labels: ['answer'],
  },
  hermetic_socketmap_refused_total: {
    type: 'counter',
    help: 'Connections to the socketmap that were closed because of what came over them, or did not.',
    labels: ['reason'],
  },
} as const

type Counter = keyof typeof SOCKETMAP_METRICS
type Named<E extends SocketmapEvent['event']> = Extract<SocketmapEvent, { readonly event: E }>

function count(name: Counter, labels: Readonly<Record<string, string>>, by = 1) {
  return { kind: 'count', name, by, labels } as const
}

/** By event. */
export const SOCKETMAP_UPDATES = {
  'socketmap-listening': (): readonly never[] => [],
  'socketmap-decided': ({ answer }: Named<'socketmap-decided'>) => [
    count('hermetic_socketmap_lookups_total', { answer }),
  ],
  'socketmap-answered': ({ counts }: Named<'socketmap-answered'>) =>
    Object.entries(counts).map(([answer, by]) => count('hermetic_socketmap_answers_total', { answer }, by)),
  'socketmap-connection-refused': ({ because }: Named<'socketmap-connection-refused'>) => [
    count('hermetic_socketmap_refused_total', { reason: because }),
  ],
  'socketmap-defect': () => [
    { kind: 'count', name: 'hermetic_defects_total', by: 1, labels: { room: 'socketmap' } } as const,
  ],
}
