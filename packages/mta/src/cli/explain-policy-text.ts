/** The MTA-STS section of an explanation as lines. Pure. */
import { assertNever, type MtaStsSection } from '@hermetic/policy'
import type { ExplainPaper, Line } from './explain-layout.ts'
import { counted, formatAge } from './table.ts'

const LABEL_WIDTH = 12

export function policyLines(section: MtaStsSection, paper: ExplainPaper): readonly Line[] {
  return [
    { indent: 0, text: `Policy: ${stateWords(section)}`, tone: 'strong' },
    ...inForceLines(section),
    ...recordLines(section),
    ...policyHostLines(section),
    ...renewalLines(section, paper),
  ]
}

function row(label: string, text: string): Line {
  return { indent: 2, label, labelWidth: LABEL_WIDTH, labelTone: 'quiet', text }
}

/** In the words of the codes; a code that is not here stands for itself. */
const NONE: Readonly<Record<string, string>> = {
  'no-record': 'the domain publishes none',
  'unusable-record': 'the record of the domain cannot be used',
  'record-lookup-failed': 'DNS does not say whether there is one, and none is cached',
  'mode-none': 'the domain says itself that it has none (mode none)',
  'fetch-failed': 'one is announced, cannot be fetched, and none is cached',
}

const UNAVAILABLE: Readonly<Record<string, string>> = {
  cache: 'our policy cache cannot be read',
  'own-limit': 'too many fetches are under way here',
  stopping: 'the relay is being stopped',
  'no-answer-in-time': 'DNS or the policy host did not answer in time',
}

const NOT_CONSULTED: Readonly<Record<string, string>> = {
  off: 'MTA-STS is off here ([mta_sts] enabled = false)',
  address: 'mail goes to an address, and addresses have no policy',
}

function stateWords({ state, because = '', policy }: MtaStsSection): string {
  switch (state) {
    case 'in-force':
      return `MTA-STS in mode ${policy?.mode ?? 'enforce'}`
    case 'none':
      return `no MTA-STS: ${wordsOf(NONE, because)}`
    case 'unavailable':
      return `not known: ${wordsOf(UNAVAILABLE, because)}`
    case 'not-consulted':
      return `not consulted: ${wordsOf(NOT_CONSULTED, because)}`
    default:
      return assertNever(state)
  }
}

function wordsOf(words: Readonly<Record<string, string>>, code: string): string {
  return (Object.hasOwn(words, code) ? words[code] : undefined) ?? code
}

function inForceLines({ policy }: MtaStsSection): readonly Line[] {
  if (policy === undefined) return []
  const { id, from, ageSeconds, expiresInSeconds, expiresAt, mx } = policy
  const age = from === 'fresh' ? 'fetched just now' : `from the cache, fetched ${formatAge(ageSeconds * 1000)} ago`
  return [
    row('id', `${id}, ${age}`),
    row('expires', `in ${formatAge(expiresInSeconds * 1000)} (${shortTime(expiresAt)})`),
    ...(mx.length === 0 ? [] : [row('allows', mx.join(', '))]),
  ]
}

function recordLines({ record }: MtaStsSection): readonly Line[] {
  if (record === undefined) return []
  const { name, kind, problem, published = [], alias } = record
  const texts = published.map((text) => `"${text}"`).join(', ')
  const by = alias === undefined ? '' : ` (an alias of ${alias})`
  switch (kind) {
    case 'record':
      return [row('record', `${name}${by}: ${texts}`)]
    case 'absent':
      return [row('record', `${name}${by}: none${texts === '' ? '' : `; published there: ${texts}`}`)]
    case 'unusable':
      return [row('record', `${name}${by}: not usable (${problem ?? ''}): ${texts}`)]
    case 'failed':
      return [row('record', `${name}: ${problem ?? 'failed'}`)]
    default:
      return assertNever(kind)
  }
}

function policyHostLines({ policyHost }: MtaStsSection): readonly Line[] {
  if (policyHost === undefined) return []
  const { name, kind, address, differs, problem, certificate, protocol } = policyHost
  switch (kind) {
    case 'served': {
      const same = differs === undefined ? 'serves a policy' : differs ? 'serves another policy' : 'serves this policy'
      const until = certificate === undefined ? '' : `, certificate until ${shortTime(certificate.validTo)}`
      return [row('policy host', `${name} [${address ?? ''}] ${same}; ${protocol ?? 'TLS'}${until}`)]
    }
    case 'failed':
      return [row('policy host', `${name}: ${problem ?? 'failed'}`)]
    case 'not-asked':
      return problem === 'deadline' ? [row('policy host', `${name}: no answer in time`)] : []
    default:
      return assertNever(kind)
  }
}

/** Only what is out of the ordinary: a policy that renews itself is nobody's concern. */
function renewalLines({ renewal, state }: MtaStsSection, { now }: ExplainPaper): readonly Line[] {
  if (renewal === undefined) return []
  const { failedRefreshes, lastFailure, formerMode, refreshAt } = renewal
  const lines: Line[] = []
  if (formerMode !== undefined) lines.push(row('before', `mode ${formerMode}`))
  if (failedRefreshes > 0) {
    const last =
      lastFailure === undefined
        ? ''
        : `, last ${formatAge(now - Date.parse(lastFailure.at))} ago by ${lastFailure.reason}`
    lines.push({ ...row('refresh', `failed ${counted(failedRefreshes, 'time')} in a row${last}`), tone: 'warning' })
  }
  if (state === 'in-force' && Date.parse(refreshAt) > now) {
    lines.push(row('refresh', `in ${formatAge(Date.parse(refreshAt) - now)}`))
  }
  return lines
}

/** Seconds are enough for people. */
export function shortTime(iso: string): string {
  return iso.replace(/\.\d{3}Z$/, 'Z')
}
