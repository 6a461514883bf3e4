/**
 * Asks DNS for the MTA-STS record of a policy domain: TXT at `_mta-sts.` and the domain, aliases followed (RFC 8461
 * §3.1). The cache of the resolver keeps answers for their TTL and failures not at all.
 */
import type { DnsFailureReason } from '../dns/answer.ts'
import type { DnsResolver } from '../dns/resolver.ts'
import { type DomainName, ownerName } from '../domain-name.ts'
import { assertNever } from '../result.ts'
import { type StsRecordError, selectStsRecord } from './record.ts'

export type RecordAnswer =
  | { readonly kind: 'record'; readonly id: string; readonly ttlSeconds: number }
  /** Nothing there that is an STS record. */
  | { readonly kind: 'absent'; readonly ttlSeconds: number }
  | { readonly kind: 'unusable'; readonly error: UnusableRecord; readonly ttlSeconds: number }
  /** Not an absence (RFC 8461 §3.3, §10.2). */
  | { readonly kind: 'failed'; readonly reason: DnsFailureReason }

export type UnusableRecord = Exclude<StsRecordError, { readonly kind: 'no-record' }>

/** For names that can never exist. */
const LONG_SECONDS = 86_400

export interface RecordLookup {
  readonly resolver: Pick<DnsResolver, 'txt'>
  readonly policyDomain: DomainName
  /** Asks DNS itself, also when an earlier answer is still valid. */
  readonly afresh?: boolean
}

export async function lookUpStsRecord({ resolver, policyDomain, afresh = false }: RecordLookup): Promise<RecordAnswer> {
  const name = ownerName(['_mta-sts'], policyDomain)
  if (!name.ok) return { kind: 'absent', ttlSeconds: LONG_SECONDS }
  const answer = await resolver.txt(name.value, { afresh })
  switch (answer.kind) {
    case 'failure':
      return { kind: 'failed', reason: answer.reason }
    case 'absent':
      return { kind: 'absent', ttlSeconds: answer.ttlSeconds }
    case 'records': {
      const { ttlSeconds } = answer
      const selected = selectStsRecord(answer.records)
      if (selected.ok) return { kind: 'record', id: selected.value.id, ttlSeconds }
      if (selected.error.kind === 'no-record') return { kind: 'absent', ttlSeconds }
      return { kind: 'unusable', error: selected.error, ttlSeconds }
    }
    default:
      return assertNever(answer)
  }
}

/** What a report calls a record that is in trouble while a policy is cached (RFC 8460 §4.4). */
export type RecordTrouble = 'txt-missing' | 'txt-duplicate' | 'txt-invalid' | 'txt-lookup-failed'

export function recordTrouble(answer: RecordAnswer): RecordTrouble | undefined {
  switch (answer.kind) {
    case 'record':
      return undefined
    case 'absent':
      return 'txt-missing'
    case 'unusable':
      return answer.error.kind === 'several-records' ? 'txt-duplicate' : 'txt-invalid'
    case 'failed':
      return 'txt-lookup-failed'
    default:
      return assertNever(answer)
  }
}
