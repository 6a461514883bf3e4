/** What our own settings say of a domain, as lines of an explanation. Pure. */
import type { LocalSection } from '@hermetic/policy'
import type { Line } from './explain-layout.ts'
import { shortTime } from './explain-policy-text.ts'

const LABEL_WIDTH = 12

export function localLines(section: LocalSection | undefined): readonly Line[] {
  if (section === undefined) return []
  const { overrides, preload, enforcement } = section
  const said = overrides.some(({ kind }) => kind === 'enforcement')
  const everywhere = enforcement === 'observe' && !said ? [row('observe', OBSERVED)] : []
  return [
    { indent: 0, text: 'Our own settings', tone: 'strong' },
    ...everywhere,
    ...overrides.map(({ text, state }) =>
      state === 'expired'
        ? { ...row('expired', `${text}; it does nothing any more`), tone: 'warning' as const }
        : row('override', text),
    ),
    ...(preload === undefined ? [] : preloadLines(preload)),
  ]
}

const OBSERVED = 'policies are only observed, everywhere: nothing is refused for them'

const STATES: Readonly<Record<NonNullable<LocalSection['preload']>['state'], string>> = {
  'in-force': 'in force, for no policy of the domain could be had',
  'not-needed': 'not needed, for the domain says itself what counts',
  expired: 'over by its own date, and believed no more',
}

function preloadLines({ mode, mx, state, expiresAt }: NonNullable<LocalSection['preload']>): readonly Line[] {
  const until = expiresAt === undefined ? '' : ` (until ${shortTime(expiresAt)})`
  return [row('preload', `mode ${mode}, ${mx.join(', ')}: ${STATES[state]}${until}`)]
}

function row(label: string, text: string): Line {
  return { indent: 2, label, labelWidth: LABEL_WIDTH, labelTone: 'quiet', text }
}
