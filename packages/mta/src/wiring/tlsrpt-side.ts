/**
 * What reports are made of: sessions and failed fetches of policies, counted from here into the store of results. With
 * reports off nothing of it exists. Who sends the reports is `report-side.ts`.
 */
import { randomUUID } from 'node:crypto'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DnsResolver, DomainName, PolicyFailure, Refreshed, StsSource } from '@hermetic/policy'
import { lookUpTlsrptRecord, type ReportCountingEvent, type ResultStore, SessionCounter } from '@hermetic/reporter'
import { describeSystemError } from '../config/system-error.ts'
import { failedFetch, type TlsReports } from '../delivery/report-mapping.ts'

export interface CountingParts {
  /** Undefined: reports are off. */
  readonly results: ResultStore | undefined
  readonly resolver: Pick<DnsResolver, 'txt'>
  readonly dataDir: string
  readonly emit: (event: ReportCountingEvent) => void
}

export interface TlsrptSide {
  /** For delivery; undefined: reports are off. */
  readonly reports: TlsReports | undefined
  /** After the last session: what was counted is stored. */
  close(): Promise<void>
}

/** There from the first count until everything is stored: a start that finds it tells that a second may be lost. */
const COUNTING_MARK = 'tlsrpt.counting'

/** Counting when this returns. */
export function startCounting({ results: store, resolver, dataDir, emit }: CountingParts): TlsrptSide {
  if (store === undefined) return { reports: undefined, close: async () => undefined }
  const mark = join(dataDir, COUNTING_MARK)
  if (statSync(mark, { throwIfNoEntry: false }) !== undefined) emit({ event: 'tlsrpt-second-lost' })
  const tell = (error: unknown): void =>
    emit({ event: 'tlsrpt-mark-failed', detail: `${mark}: ${describeSystemError(error)}` })
  attempted(() => writeFileSync(mark, ''), tell)
  const counter = new SessionCounter({
    ...{ store, emit, now: Date.now, monotonic: () => performance.now(), newBatchId: randomUUID },
    lookUp: (policyDomain) => lookUpTlsrptRecord(resolver, policyDomain),
  })
  counter.start()
  const reports: TlsReports = {
    session: (seen) => counter.count(seen),
    failedFetch: (failure) => counter.countFailedFetch(failure),
  }
  const close = async (): Promise<void> => {
    await counter.close()
    attempted(() => rmSync(mark, { force: true }), tell)
  }
  return { reports, close }
}

/** Mail does not depend on it. */
function attempted(act: () => void, tell: (error: unknown) => void): void {
  try {
    act()
  } catch (error) {
    tell(error)
  }
}

/** Refreshes fail without any mail; each failure is one failed session of the policy that stays in force. */
export function countRefreshes(reports: TlsReports | undefined) {
  return (policyDomain: DomainName, refreshed: Refreshed): void => {
    if (refreshed.kind !== 'fetched' && refreshed.kind !== 'failed') return
    const { trouble } = refreshed
    if (trouble !== undefined) {
      const report = { resultType: 'sts-policy-fetch-error', failureReasonCode: trouble.reason } as const
      reports?.failedFetch({ policyDomain, report, inForce: trouble.inForce })
    }
    if (refreshed.kind === 'failed') countFailure(reports, refreshed.uncounted)
  }
}

/** The same source; what an operator fetches by hand in vain is counted as well. */
export function countRenewals(
  source: Pick<StsSource, 'renew'>,
  reports: TlsReports | undefined,
): Pick<StsSource, 'renew'> {
  return {
    renew: async (policyDomain) => {
      const renewed = await source.renew(policyDomain)
      if (renewed.kind !== 'failed') return renewed
      countFailure(reports, renewed.uncounted)
      return { ...renewed, uncounted: undefined }
    },
  }
}

function countFailure(reports: TlsReports | undefined, failure: PolicyFailure | undefined): void {
  if (failure !== undefined) reports?.failedFetch(failedFetch(failure))
}
