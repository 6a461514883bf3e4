/**
 * What the shared policy cache keeps of a policy in Redis, read back with the parser that read it when it was fetched.
 * A damaged entry is no entry and not "no entry": it says what is wrong with it. Pure.
 */
import { type DomainName, parseHostname } from '../domain-name.ts'
import { expiresAt } from '../mta-sts/freshness.ts'
import { parsePolicyFile, printPolicyFile, type StsMode } from '../mta-sts/policy-file.ts'
import type { CachedPolicy, PolicyCount, RefreshFailure, StoredPolicy } from '../ports/policy-cache.ts'
import { err, ok, type Result } from '../result.ts'

/** As `put.lua` wants it. */
export function entryWords(entry: CachedPolicy): readonly (string | number)[] {
  const { policy, id, fetchedAt, refreshAt } = entry
  return [printPolicyFile(policy), id, fetchedAt, refreshAt, policy.mode, expiresAt(entry)]
}

/** What `entryOf` of the scripts answers; `err` is a word for the log. */
export function readEntry(policyDomain: DomainName, answer: unknown): Result<StoredPolicy, string> {
  if (!Array.isArray(answer)) return err(String(answer))
  const fields = fieldsOf(answer)
  const policy = parsePolicyFile(Buffer.from(fields.get('document') ?? ''))
  if (!policy.ok) return err(policy.error.kind)
  const [fetchedAt, refreshAt, failedRefreshes, expires] = ['fetched', 'refresh', 'failures', 'expires'].map((name) =>
    time(fields.get(name)),
  )
  const id = fields.get('id')
  if (fetchedAt === undefined || refreshAt === undefined || failedRefreshes === undefined || id === undefined) {
    return err('fields')
  }
  const stored = { policyDomain, policy: policy.value, id, fetchedAt, refreshAt, failedRefreshes }
  // The indexes live by these two, so they must say what the document says.
  if (policy.value.mode !== fields.get('mode') || expiresAt(stored) !== expires) return err('contradiction')
  return ok({ ...stored, ...lastFailure(fields) })
}

export function readCounts(answer: unknown): readonly PolicyCount[] {
  return rows(answer).flatMap((row) => {
    const mode = readMode(row[0])
    const [policies = 0, stale = 0, oldestFetchedAt = 0, soonestExpiresAt = 0] = row.slice(1).map(Number)
    return mode === undefined ? [] : [{ mode, policies, stale, oldestFetchedAt, soonestExpiresAt }]
  })
}

/** Undefined for what is no name: nothing of ours is stored under it. */
export function readDomain(value: unknown): DomainName | undefined {
  const name = parseHostname(String(value))
  return name.ok ? name.value : undefined
}

export function readMode(value: unknown): StsMode | undefined {
  return (['enforce', 'testing', 'none'] as const).find((mode) => mode === value)
}

export function rows(answer: unknown): readonly (readonly unknown[])[] {
  return list(answer).map(list)
}

export function list(answer: unknown): readonly unknown[] {
  return Array.isArray(answer) ? answer : []
}

function fieldsOf(flat: readonly unknown[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (let at = 0; at + 1 < flat.length; at += 2) fields.set(String(flat[at]), String(flat[at + 1]))
  return fields
}

function lastFailure(fields: ReadonlyMap<string, string>): { readonly lastFailure?: RefreshFailure } {
  const at = time(fields.get('failed'))
  const reason = fields.get('failure')
  return at === undefined || reason === undefined ? {} : { lastFailure: { at, reason } }
}

function time(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,16}$/.test(text) ? Number(text) : undefined
}
