/** Daily reports of a running relay: they are sent from now until the relay stops, and operators may look and order. */
import { ok, type Result } from '@hermetic/policy'
import type { ResultStore } from '@hermetic/reporter'
import type { Config } from '../config/schema.ts'
import { createReportAdmin, type ReportAdmin } from '../reporting/report-admin.ts'
import type { Opening } from './opening.ts'
import { openReportSending, type ReportSendingParts } from './report-sending.ts'
import type { StartProblem } from './start-problem.ts'

export interface ReportSideParts extends Omit<ReportSendingParts, 'store'> {
  /** Undefined: reports are off. */
  readonly results: ResultStore | undefined
  readonly opening: Opening
}

/** Undefined: reports are off. */
export function openReportSide(
  config: Config,
  { results: store, opening, ...parts }: ReportSideParts,
): Result<ReportAdmin | undefined, StartProblem> {
  if (store === undefined) return ok(undefined)
  const sending = openReportSending(config, { ...parts, store })
  if (!sending.ok) return sending
  opening.closesWith(() => sending.value.stop())
  sending.value.start()
  const { sender, options } = sending.value
  return ok(createReportAdmin({ ...options, sender }))
}
