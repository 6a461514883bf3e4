/**
 * One session with one host in a few lines: what was demanded and by which policy, what the channel proved, and by
 * which certificate. For the timeline and for `queue show`. Pure.
 */
import type { AttemptWords, SessionWords } from '../observability/delivery-record.ts'
import { snakeCase } from '../observability/log-line.ts'
import { formatAge } from './table.ts'

export interface ChannelWords {
  readonly record: Partial<AttemptWords>
  readonly session: Partial<SessionWords>
}

type Line = readonly [name: string, value: string]

/** Told in a line of the attempt itself, or here in words. */
const TOLD: ReadonlySet<string> = new Set([
  ...[
    'result',
    'lane',
    'nextHop',
    'attempt',
    'mxHostname',
    'address',
    'port',
    'reused',
    'size',
    'priority',
    'recipients',
  ],
  ...['reply', 'cause', 'durationMs', 'stsPolicy', 'stsId', 'stsFrom', 'stsAgeSeconds', 'stsMatched'],
  ...['tls', 'tlsRequirement', 'tlsVerdict', 'tlsResult'],
  ...['dane', 'daneOwner', 'daneMatched', 'tlsWouldRefuse', 'tlsWaived'],
  ...['certFingerprint', 'certSubject', 'certIssuer', 'certNotAfter', 'certNames'],
])

export function hostWords(host: {
  readonly mxHostname: string
  readonly address?: string
  readonly port?: number
}): string {
  const address = host.address === undefined ? '' : ` [${host.address}]`
  return `${host.mxHostname}${address}${host.port === undefined || host.port === 25 ? '' : ` port ${host.port}`}`
}

export function channelLines({ record, session }: ChannelWords): readonly Line[] {
  const { tls, tlsRequirement, tlsVerdict, tlsResult, tlsWouldRefuse, tlsWaived } = session
  return [
    ...policyLines(record, session),
    ...daneLines(session),
    ...(tlsWaived === undefined ? [] : [['waived', `${tlsWaived}, by an override`] as const]),
    ...(tlsRequirement === undefined ? [] : [['demanded', tlsRequirement] as const]),
    ...(tls === undefined ? [] : [['channel', tls] as const]),
    ...(tlsVerdict === undefined
      ? []
      : [['proved', `${tlsVerdict}${(tlsResult ?? '') === '' ? '' : ` (${tlsResult})`}`] as const]),
    ...(tlsWouldRefuse === undefined ? [] : [['observed', `would have been refused: ${tlsWouldRefuse}`] as const]),
    ...certificateLines(session),
    ...otherLines(record),
    ...otherLines(session),
  ]
}

function policyLines(record: Partial<AttemptWords>, { stsMatched }: Partial<SessionWords>): readonly Line[] {
  const { stsPolicy, stsId, stsFrom, stsAgeSeconds } = record
  if (stsPolicy === undefined) return []
  if (stsId === undefined && stsFrom === undefined) return [['MTA-STS', stsPolicy]]
  const age = stsAgeSeconds === undefined ? '' : `, ${formatAge(stsAgeSeconds * 1000)} old`
  const from = stsFrom === undefined ? '' : stsFrom === 'preload' ? ', by the preload list' : `, ${stsFrom}`
  const names =
    stsMatched === undefined
      ? ''
      : stsMatched === 'none'
        ? '; does not name this host'
        : `; names this host by ${stsMatched}`
  return [['MTA-STS', `${stsPolicy}${stsId === undefined ? '' : `, id ${stsId}`}${from}${age}${names}`]]
}

function daneLines({ dane, daneOwner, daneMatched }: Partial<SessionWords>): readonly Line[] {
  if (dane === undefined) return []
  const at = daneOwner === undefined ? '' : ` at ${daneOwner}`
  return [['DANE', `${dane}${at}${daneMatched === undefined ? '' : `; the peer is meant by ${daneMatched}`}`]]
}

function certificateLines(session: Partial<SessionWords>): readonly Line[] {
  const { certSubject, certIssuer, certNotAfter, certNames, certFingerprint } = session
  if (certFingerprint === undefined) return []
  return [
    [
      'certificate',
      `${certSubject || 'no subject'}, until ${certNotAfter?.replace(/\.\d{3}Z$/, 'Z')}, issued by ${certIssuer}`,
    ],
    ...(certNames === undefined || certNames === '' ? [] : [['names', certNames] as const]),
    ['sha-256', certFingerprint],
  ]
}

/** Whatever else the delivery record learns to tell. */
function otherLines(words: object): readonly Line[] {
  return Object.entries(words)
    .filter(([name, value]) => !TOLD.has(name) && value !== undefined)
    .map(([name, value]) => [snakeCase(name), typeof value === 'string' ? value : JSON.stringify(value)])
}
