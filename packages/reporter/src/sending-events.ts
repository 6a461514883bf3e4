/**
 * What the sending of reports tells operators. A closed list; wording and metrics are made by whoever renders it. URIs are
 * strangers' text; reasons are words of ours.
 */
import type { DomainName } from '@hermetic/policy'
import type { DamagedReport } from './ports/result-store.ts'
import type { SizedReport } from './report-size.ts'
import type { UtcDay } from './utc-day.ts'

interface OfReport {
  readonly policyDomain: DomainName
  readonly day: UtcDay
}

interface OfTarget extends OfReport {
  readonly target: string
  readonly transport: 'mailto' | 'https'
  readonly attempts: number
}

export type ReportSendingEvent =
  | { readonly event: 'tlsrpt-day-closed'; readonly day: UtcDay; readonly reports: number }
  /** Its bytes are stored; `reduced`: what had to be counted together for size (RPT-74). */
  | (OfReport & {
      readonly event: 'tlsrpt-report-made'
      readonly reportId: string
      readonly octets: number
      readonly reduced: SizedReport['reduced']
    })
  /** The record is gone, or nobody can read it: nothing is sent (RPT-13). */
  | (OfReport & { readonly event: 'tlsrpt-report-not-wanted'; readonly reason: string })
  | (OfReport & { readonly event: 'tlsrpt-record-lookup-failed'; readonly reason: string; readonly nextAt: number })
  | (OfReport & { readonly event: 'tlsrpt-target-ignored'; readonly target: string; readonly reason: string })
  | (OfTarget & {
      readonly event: 'tlsrpt-report-submitted'
      readonly reportId: string
      readonly queueId?: string
      readonly status?: number
      /** The endpoint's certificate did not prove it (RPT-94). */
      readonly unproven?: string
    })
  | (OfTarget & {
      readonly event: 'tlsrpt-report-deferred'
      readonly reason: string
      readonly nextAt: number
      readonly unproven?: string
    })
  | (OfTarget & { readonly event: 'tlsrpt-target-given-up'; readonly reason: string })
  /** `delivered`: at least one target has it (RPT-99). */
  | (OfReport & {
      readonly event: 'tlsrpt-report-done'
      readonly outcome: 'delivered' | 'undelivered'
      readonly targets: number
    })
  /** Its record in the store cannot be read: it stays there, and is not sent. The others go on. */
  | {
      readonly event: 'tlsrpt-report-damaged'
      readonly policyDomain: string
      readonly day: string
      readonly part: DamagedReport['part']
    }
  /** Another node works on it. */
  | (OfReport & { readonly event: 'tlsrpt-claim-lost' })
  /** Days too old to be reported are deleted (RPT-103). */
  | { readonly event: 'tlsrpt-days-forgotten'; readonly before: UtcDay; readonly unfinished: number }
  | { readonly event: 'tlsrpt-sending-failed'; readonly step: string; readonly detail: string }
  | (OfReport & { readonly event: 'tlsrpt-sending-defect'; readonly detail: string })
