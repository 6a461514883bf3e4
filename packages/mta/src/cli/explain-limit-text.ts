/** What is allowed with the hosts of a destination, as lines of an explanation. Pure. */
import type { LimitSection } from '@hermetic/policy'
import { limitWords } from '../limits/limit-report.ts'
import type { Line } from './explain-layout.ts'

export function limitLines(section: LimitSection | undefined): readonly Line[] {
  if (section === undefined) return []
  const { waitsFor } = section
  return [
    { indent: 0, text: 'Limits', tone: 'strong' },
    { indent: 2, text: limitWords(section) },
    ...(waitsFor === undefined ? [] : [{ indent: 2, text: WAITS[waitsFor], tone: 'warning' as const }]),
  ]
}

const WAITS: Readonly<Record<NonNullable<LimitSection['waitsFor']>, string>> = {
  connections: 'mail waits for a free connection now',
  rate: 'mail waits for its turn under the rate now',
}
