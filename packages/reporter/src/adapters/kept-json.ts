/**
 * Sums and targets as the JSON that stores keep, read back. What was damaged there is undefined, and never half of it:
 * the members that sums are merged and reports are made of are looked at, so that nothing throws over them later. Pure.
 */
import type { ReportClaim, TargetState } from '../ports/result-store.ts'
import type { DomainTally } from '../tally.ts'

type KeptFields = Pick<ReportClaim, 'policyDomain' | 'day' | 'token' | 'rendered' | 'firstAttemptAt'>

/** The claim, or what of it cannot be read. */
export function claimOf(
  fields: KeptFields,
  { sum, targets }: { readonly sum: string | undefined; readonly targets: string | undefined },
): ReportClaim | 'sum' | 'targets' {
  const tally = readTallyJson(sum)
  if (tally === undefined) return 'sum'
  const read = readTargetsJson(targets)
  return read === undefined ? 'targets' : { kind: 'claim', ...fields, tally, targets: read }
}

export function readTallyJson(text: string | undefined): DomainTally | undefined {
  const value = parsed(text)
  if (!isRecord(value) || !isListOf(value['policies'], isPolicyTally)) return undefined
  const others = value['otherPolicies']
  // Each member that is read was looked at.
  return isRecord(others) && Object.values(others).every(isSums) ? (value as unknown as DomainTally) : undefined
}

export function readTargetsJson(text: string | undefined): readonly TargetState[] | undefined {
  const value = parsed(text)
  return isListOf(value, isTarget) ? (value as unknown as readonly TargetState[]) : undefined
}

type Fields = Readonly<Record<string, unknown>>

function isPolicyTally(one: Fields): boolean {
  const { policy, failures } = one
  if (!isSums(one) || !isRecord(policy) || !isListOf(failures, isFailureCount)) return false
  const { policyType, policyDomain, policyString, mxHost } = policy
  return [policyType, policyDomain].every(isText) && isTexts(policyString) && isTexts(mxHost)
}

function isFailureCount({ failure, sessions }: Fields): boolean {
  return isRecord(failure) && Object.values(failure).every(isText) && isText(failure['resultType']) && isCount(sessions)
}

function isSums(value: unknown): boolean {
  if (!isRecord(value)) return false
  const { successfulSessions, failedSessions, otherFailures } = value
  return (
    isCount(successfulSessions) &&
    isCount(failedSessions) &&
    isRecord(otherFailures) &&
    Object.values(otherFailures).every(isCount)
  )
}

function isTarget({ uri, state, attempts }: Fields): boolean {
  return isText(uri) && isText(state) && isCount(attempts)
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isListOf(value: unknown, isOne: (one: Fields) => boolean): boolean {
  return Array.isArray(value) && value.every((one) => isRecord(one) && isOne(one))
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
