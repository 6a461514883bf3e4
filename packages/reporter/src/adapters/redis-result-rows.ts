/** What the scripts of `redis-lua/` answer, read back into values. What cannot be read is no answer. Pure. */
import { type DomainName, parseDomainName } from '@hermetic/policy'
import {
  type RenderedReport,
  type ReportClaim,
  type ReportState,
  ResultStoreUnavailable,
  type TargetState,
} from '../ports/result-store.ts'
import type { DomainTally } from '../tally.ts'
import { parseUtcDay, type UtcDay } from '../utc-day.ts'

/** A sum and which of its versions this is: one that is replaced has the next number. */
export interface VersionedTally {
  readonly version: number
  readonly tally: DomainTally
}

export function writeTally({ version, tally }: VersionedTally): string {
  return `${version}:${JSON.stringify(tally)}`
}

export function readTally(value: unknown): VersionedTally | undefined {
  if (value === null) return undefined
  const text = String(value)
  const colon = text.indexOf(':')
  return { version: Number(text.slice(0, colon)), tally: readJson(text.slice(colon + 1)) as DomainTally }
}

/** `[day, domain, sum, [field, value, …]]`. */
export function readClaim(value: unknown, token: string): ReportClaim {
  const [day, domain, sum, fields] = list(value)
  const found = readTally(sum)
  if (found === undefined) throw damaged('a claimed report')
  const report = fieldMap(list(fields))
  const first = report.get('first')
  return {
    ...{ policyDomain: readDomain(domain), day: readDay(day), token, tally: found.tally },
    rendered: readRendered(report),
    targets: readTargets(report.get('targets')),
    firstAttemptAt: first === undefined ? undefined : Number(first),
  }
}

/** `[domain, dueAt, token, id, targets, first, done]`. */
export function readState(value: unknown, day: UtcDay): ReportState {
  const [domain, dueAt, token, id, targets, first, done] = list(value)
  return {
    ...{ policyDomain: readDomain(domain), day, claimed: typeof token === 'string', done: done === '1' },
    dueAt: typeof dueAt === 'string' ? Number(dueAt) : undefined,
    reportId: typeof id === 'string' ? id : undefined,
    targets: readTargets(typeof targets === 'string' ? targets : undefined),
    firstAttemptAt: typeof first === 'string' ? Number(first) : undefined,
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

export function readDomain(value: unknown): DomainName {
  const name = parseDomainName(String(value))
  if (!name.ok) throw damaged('a domain')
  return name.value
}

function readRendered(report: ReadonlyMap<string, string>): RenderedReport | undefined {
  const [id, bytes, made] = [report.get('id'), report.get('bytes'), report.get('made')]
  if (id === undefined || bytes === undefined) return undefined
  return { reportId: id, compressed: Uint8Array.from(Buffer.from(bytes, 'base64')), madeAt: Number(made) }
}

function readTargets(text: string | undefined): readonly TargetState[] {
  return text === undefined ? [] : (readJson(text) as readonly TargetState[])
}

function fieldMap(flat: readonly unknown[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (let at = 0; at + 1 < flat.length; at += 2) fields.set(String(flat[at]), String(flat[at + 1]))
  return fields
}

/** The complaint quotes nothing that was stored. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw damaged('a sum')
  }
}

function damaged(what: string): ResultStoreUnavailable {
  return new ResultStoreUnavailable(`the store of results is damaged: ${what} cannot be read`)
}
