/**
 * Daily reports of a running relay: where its role is `reporter` they are sent from now until it stops, and with that role
 * and `api` operators may look and order.
 */
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

/** Undefined: reports are off, or another process has the role. */
export function openReportSide(
  config: Config,
  { results: store, opening, ...parts }: ReportSideParts,
): Result<ReportAdmin | undefined, StartProblem> {
  const { role } = config
  if (store === undefined || !(role.includes('reporter') || role.includes('api'))) return ok(undefined)
  const sending = openReportSending(config, { ...parts, store })
  if (!sending.ok) return sending
  opening.closesWith(() => sending.value.stop())
  if (role.includes('reporter')) sending.value.start()
  const { sender, options } = sending.value
  return ok(createReportAdmin({ ...options, sender }))
}
