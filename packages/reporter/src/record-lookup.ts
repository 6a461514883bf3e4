/** Asks DNS for the TLSRPT record of a policy domain (RFC 8460 §3). A failure is never an absence. */
import type { DnsFailureReason, DnsResolver, DomainName } from '@hermetic/policy'
import { selectTlsrptRecord, type TlsrptRecord, type TlsrptRecordError, tlsrptRecordName } from './record.ts'

export type RecordLookup =
  | { readonly kind: 'record'; readonly record: TlsrptRecord }
  /** The domain wants no reports, or says so in a way that nobody can read. */
  | { readonly kind: 'none'; readonly because: TlsrptRecordError['kind'] }
  | { readonly kind: 'failure'; readonly reason: DnsFailureReason }

export async function lookUpTlsrptRecord(
  resolver: Pick<DnsResolver, 'txt'>,
  policyDomain: DomainName,
  options: Parameters<DnsResolver['txt']>[1] = {},
): Promise<RecordLookup> {
  const name = tlsrptRecordName(policyDomain)
  if (!name.ok) return { kind: 'none', because: 'no-record' }
  const answer = await resolver.txt(name.value, options)
  if (answer.kind === 'failure') return answer
  if (answer.kind === 'absent') return { kind: 'none', because: 'no-record' }
  const record = selectTlsrptRecord(answer.records)
  return record.ok ? { kind: 'record', record: record.value } : { kind: 'none', because: record.error.kind }
}
