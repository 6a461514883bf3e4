/**
 * What a report is called: its id (RFC 8460 §4.4, §5.3) and the name of its file (RFC 8460 §5.1). Both follow from what
 * the report is about, so that a retry never gives it another name. Pure.
 */
import { createHash } from 'node:crypto'
import type { DomainName } from '@hermetic/policy'
import { type UtcDay, unixRange } from './utc-day.ts'

export interface ReportOrigin {
  /** The domain of the contact address (RPT-71, RPT-84). */
  readonly submitter: DomainName
  readonly policyDomain: DomainName
  readonly day: UtcDay
  /** Of the store of results: two that know nothing of each other make two reports (RPT-66). */
  readonly storeId: string
}

const TOKEN_DIGITS = 16

/** `left@right`, as the Subject carries it between angle brackets (RPT-20). */
export function reportIdFor(origin: ReportOrigin): string {
  const { submitter, policyDomain, day } = origin
  return `${day.replaceAll('-', '')}.${policyDomain}.${uniqueId(origin)}@${submitter}`
}

export function reportFileName(origin: ReportOrigin, extension: 'json' | 'json.gz'): string {
  const { begin, end } = unixRange(origin.day)
  const { submitter, policyDomain } = origin
  return `${submitter}!${policyDomain}!${begin}!${end}!${uniqueId(origin)}.${extension}`
}

function uniqueId({ submitter, policyDomain, day, storeId }: ReportOrigin): string {
  const about = JSON.stringify([storeId, submitter, policyDomain, day])
  return createHash('sha256').update(about).digest('hex').slice(0, TOKEN_DIGITS)
}
