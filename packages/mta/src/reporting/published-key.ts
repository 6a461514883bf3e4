/** Asks DNS what it says of a key that signs reports (RFC 6376 §3.6, RFC 8460 §3). */
import { type DnsResolver, parseOwnerName } from '@hermetic/policy'
import { judgeKeyRecord, keyRecordName, type RecordFault } from '../signing/key-record.ts'
import type { SigningKey } from '../signing/signing-key.ts'

export type PublishedKey =
  | { readonly kind: 'fits'; readonly testing: boolean }
  | { readonly kind: 'wrong'; readonly faults: readonly PublishedFault[] }
  /** DNS did not say: nothing is known. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** `not-for-reports`: receivers of reports may refuse the signature (RFC 8460 §3). */
export type PublishedFault = RecordFault | 'absent' | 'several-records' | 'not-for-reports'

export interface NamedKey {
  readonly domain: string
  readonly selector: string
  readonly key: SigningKey
}

export async function publishedKey(
  { domain, selector, key }: NamedKey,
  resolver: Pick<DnsResolver, 'txt'>,
): Promise<PublishedKey> {
  const owner = parseOwnerName(keyRecordName(domain, selector))
  if (!owner.ok) return { kind: 'wrong', faults: ['absent'] }
  const answer = await resolver.txt(owner.value, { afresh: true })
  if (answer.kind === 'failure') return { kind: 'unknown', reason: answer.reason.kind }
  if (answer.kind === 'absent') return { kind: 'wrong', faults: ['absent'] }
  const [strings, ...more] = answer.records
  if (more.length > 0) return { kind: 'wrong', faults: ['several-records'] }
  const { faults, testing, forReports } = judgeKeyRecord(strings.join(''), key)
  const all = forReports || faults.includes('not-a-key-record') ? faults : [...faults, 'not-for-reports' as const]
  return all.length === 0 ? { kind: 'fits', testing } : { kind: 'wrong', faults: all }
}
