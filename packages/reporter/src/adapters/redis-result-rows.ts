/** What the scripts of `redis-lua/` answer, read back into values. Pure. */
import { type DomainName, parseDomainName } from '@hermetic/policy'
import {
  type DamagedReport,
  type RenderedReport,
  type ReportClaim,
  type ReportState,
  ResultStoreUnavailable,
} from '../ports/result-store.ts'
import type { DomainTally } from '../tally.ts'
import { parseUtcDay, type UtcDay } from '../utc-day.ts'
import { claimOf, readTallyJson, readTargetsJson } from './kept-json.ts'

/** A sum and which of its versions this is: one that is replaced has the next number. */
export interface VersionedTally {
  readonly version: number
  readonly tally: DomainTally
}

const UNREADABLE = 'unreadable'

export function writeTally({ version, tally }: VersionedTally): string {
  return `${version}:${JSON.stringify(tally)}`
}

export function readTally(value: unknown): VersionedTally | 'damaged' | undefined {
  if (value === null) return undefined
  const text = String(value)
  const colon = text.indexOf(':')
  const version = Number(text.slice(0, colon))
  const tally = readTallyJson(text.slice(colon + 1))
  return tally === undefined || !Number.isSafeInteger(version) ? 'damaged' : { version, tally }
}

/** `[day, domain, sum, [field, value, …]]`. */
export function readClaim(value: unknown, token: string): ReportClaim | DamagedReport {
  const [dayText, domainText, sum, fields] = list(value)
  const [policyDomain, day] = [readDomain(domainText), parseUtcDay(String(dayText))]
  const names = { kind: 'damaged', policyDomain: policyDomain ?? UNREADABLE, day: day ?? UNREADABLE } as const
  if (policyDomain === undefined) return { ...names, part: 'domain' }
  if (day === undefined) return { ...names, part: 'day' }
  if (!Array.isArray(fields)) return { ...names, part: 'report' }
  const report = fieldMap(fields)
  const first = report.get('first')
  const firstAttemptAt = first === undefined ? undefined : Number(first)
  const kept = { policyDomain, day, token, rendered: readRendered(report), firstAttemptAt }
  const [, sumJson] = typeof sum === 'string' ? (/^\d+:(.*)$/s.exec(sum) ?? []) : []
  const claim = claimOf(kept, { sum: sumJson, targets: report.get('targets') ?? '[]' })
  return typeof claim === 'string' ? { ...names, part: claim } : claim
}

/** `[domain, dueAt, token, id, targets, first, done, setAside]`; undefined: nobody can say whose it is. */
export function readState(value: unknown, day: UtcDay): ReportState | undefined {
  const [domain, dueAt, token, id, targetsText, first, done, setAside] = list(value)
  const policyDomain = readDomain(domain)
  if (policyDomain === undefined) return undefined
  const targets = readTargetsJson(typeof targetsText === 'string' ? targetsText : '[]')
  return {
    ...{ policyDomain, day, claimed: typeof token === 'string', done: done === '1' },
    dueAt: typeof dueAt === 'string' ? Number(dueAt) : undefined,
    reportId: typeof id === 'string' ? id : undefined,
    targets: targets ?? [],
    firstAttemptAt: typeof first === 'string' ? Number(first) : undefined,
    ...(targets === undefined ? { damaged: true } : {}),
    ...(setAside === 1 ? { setAside: true } : {}),
  }
}

export function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw damaged('an answer')
  return value
}

export function readDay(value: unknown): UtcDay {
  const day = parseUtcDay(String(value))
  if (day === undefined) throw damaged('a day')
  return day
}

export function readDomain(value: unknown): DomainName | undefined {
  const name = parseDomainName(String(value))
  return name.ok ? name.value : undefined
}

function readRendered(report: ReadonlyMap<string, string>): RenderedReport | undefined {
  const [id, bytes, made] = [report.get('id'), report.get('bytes'), report.get('made')]
  if (id === undefined || bytes === undefined) return undefined
  return { reportId: id, compressed: Uint8Array.from(Buffer.from(bytes, 'base64')), madeAt: Number(made) }
}

function fieldMap(flat: readonly unknown[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (let at = 0; at + 1 < flat.length; at += 2) fields.set(String(flat[at]), String(flat[at + 1]))
  return fields
}

export function damaged(what: string): ResultStoreUnavailable {
  return new ResultStoreUnavailable(`the store of results is damaged: ${what} cannot be read`)
}
