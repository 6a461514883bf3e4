/**
 * Cached MTA-STS policies as people and programs like to read them. Times are UTC milliseconds inside and ISO 8601 on
 * paper. Pure.
 */
import { assertNever, mxPatternText, type RecordAnswer, type Renewed, type StoredPolicy } from '@hermetic/policy'
import { foreignText } from '../observability/log-line.ts'
import { coloured, type Tone } from './colour.ts'
import { isoTime, type Paper } from './queue-text.ts'
import { formatAge, formatTable } from './table.ts'

export interface ColouredPaper extends Paper {
  readonly colours: boolean
}

/** What `--json` prints; names are promises. */
export function policyJson(entry: StoredPolicy, now: number): string {
  const { policy } = entry
  return JSON.stringify({
    domain: entry.policyDomain,
    mode: policy.mode,
    id: entry.id,
    mx: policy.mx.map(mxPatternText),
    max_age_seconds: policy.maxAgeSeconds,
    fetched_at: isoTime(entry.fetchedAt),
    age_seconds: Math.round((now - entry.fetchedAt) / 1000),
    expires_at: isoTime(expiry(entry)),
    expired: expiry(entry) < now,
    next_refresh_at: isoTime(entry.refreshAt),
    failed_refreshes: entry.failedRefreshes,
    last_failure:
      entry.lastFailure === undefined ? null : { at: isoTime(entry.lastFailure.at), reason: entry.lastFailure.reason },
    document: policy.lines,
  })
}

export function policyList(entries: readonly StoredPolicy[], { now, width }: Paper): string {
  const columns = [
    { title: 'DOMAIN' },
    { title: 'MODE' },
    { title: 'ID' },
    { title: 'AGE', align: 'right' },
    { title: 'EXPIRES', align: 'right' },
    { title: 'REFRESH' },
    { title: 'MX' },
  ] as const
  const rows = entries.map((entry) => [
    entry.policyDomain,
    entry.policy.mode,
    entry.id,
    formatAge(now - entry.fetchedAt),
    until(expiry(entry), now, 'over'),
    refreshWords(entry, now),
    entry.policy.mx.map(mxPatternText).join(' '),
  ])
  return formatTable(columns, rows, width)
}

/** Everything about one cached policy. */
export function policyText(entry: StoredPolicy, paper: ColouredPaper): string {
  const { now } = paper
  const { policy, lastFailure } = entry
  const over = expiry(entry) < now
  const rows: readonly (readonly [string, string])[] = [
    ['Domain', entry.policyDomain],
    ['Mode', coloured(policy.mode, MODE_TONES[policy.mode], paper.colours)],
    ['Id', entry.id],
    ['Fetched', `${isoTime(entry.fetchedAt)}, ${formatAge(now - entry.fetchedAt)} ago`],
    ['Expires', over ? `${isoTime(expiry(entry))}: it is over, and no longer applied` : when(expiry(entry), now)],
    ['Refresh', over ? 'when mail comes' : when(entry.refreshAt, now)],
    [
      'Failures',
      lastFailure === undefined
        ? 'none since it was fetched'
        : `${entry.failedRefreshes}, the last ${formatAge(now - lastFailure.at)} ago: ${foreignText(lastFailure.reason)}`,
    ],
    ...policy.mx.map((pattern, index) => [index === 0 ? 'MX' : '', mxPatternText(pattern)] as const),
  ]
  const head = rows.map(([name, value]) => `${(name === '' ? '' : `${name}:`).padEnd(10)}${value}\n`).join('')
  return `${head}\n${policy.lines.map((line) => `  │ ${foreignText(line)}\n`).join('')}`
}

const MODE_TONES: Readonly<Record<StoredPolicy['policy']['mode'], Tone>> = {
  enforce: 'good',
  testing: 'warning',
  none: 'quiet',
}

/** What became of an order to fetch now. */
export function renewalText(domain: string, renewed: Renewed | { readonly kind: 'not-running' }, now: number): string {
  switch (renewed.kind) {
    case 'fetched': {
      const { policy, id } = renewed.entry
      const what = renewed.changed ? 'a new document' : 'the same document, with a new life'
      const kept = policy.maxAgeSeconds === 0 ? ', but it may not be kept (max_age: 0)' : ''
      return `${domain}: fetched ${what}: ${policy.mode}, id ${id}, for ${formatAge(policy.maxAgeSeconds * 1000)}${kept}`
    }
    case 'failed': {
      const { resultType, failureReasonCode } = renewed.report
      return `${domain}: not fetched: ${resultType}, ${failureReasonCode}; what is cached stays, the next try may come in ${formatAge(renewed.retryFrom - now)}`
    }
    case 'waiting':
      return `${domain}: not asked: the last fetch for this id failed a moment ago, the next may come in ${formatAge(renewed.retryFrom - now)} (RFC 8461 §3.3)`
    case 'nothing-announced':
      return `${domain}: nothing to fetch: ${recordWords(renewed.record)}`
    case 'unavailable':
      return `${domain}: not fetched: ${UNAVAILABLE[renewed.because]}`
    case 'not-running':
      return `${domain}: not fetched: no relay runs that could; the next start or message will`
    default:
      return assertNever(renewed)
  }
}

const UNAVAILABLE: Readonly<Record<Extract<Renewed, { readonly kind: 'unavailable' }>['because'], string>> = {
  cache: 'the policy cache does not answer',
  'own-limit': 'too many fetches are under way; try again in a moment',
  stopping: 'the relay is stopping',
}

function recordWords(record: RecordAnswer): string {
  switch (record.kind) {
    case 'absent':
      return 'there is no record at _mta-sts'
    case 'unusable':
      return `the record at _mta-sts is unusable (${record.error.kind})`
    case 'failed':
      return `DNS gave no answer for _mta-sts (${record.reason.kind})`
    case 'record':
      return `the record announces id ${record.id}, and nothing asks for a fetch`
    default:
      return assertNever(record)
  }
}

function expiry({ policy, fetchedAt }: StoredPolicy): number {
  return fetchedAt + policy.maxAgeSeconds * 1000
}

function when(at: number, now: number): string {
  return at <= now ? `${isoTime(at)}: due` : `${isoTime(at)}, in ${formatAge(at - now)}`
}

function until(at: number, now: number, past: string): string {
  return at < now ? past : `in ${formatAge(at - now)}`
}

function refreshWords(entry: StoredPolicy, now: number): string {
  const { failedRefreshes } = entry
  const next = expiry(entry) < now ? '-' : until(entry.refreshAt, now, 'due')
  return failedRefreshes === 0 ? next : `${next}, ${failedRefreshes} failed`
}
