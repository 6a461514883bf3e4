/** The public API of `@hermetic/reporter`: TLSRPT, from TLS session results to submitted reports. */
export { RedisResultStore, type RedisResultStoreOptions } from './adapters/redis-result-store.ts'
export type { ResultStoreOpenError } from './adapters/sqlite-result-schema.ts'
export {
  openSqliteResultStore,
  type SqliteResultStore,
  type SqliteResultStoreOptions,
} from './adapters/sqlite-result-store.ts'
export {
  type CountedSession,
  countedFetchFailure,
  countedSessions,
  type PolicyFailureSeen,
  type PolicyType,
  type ReportedFailure,
  type ReportedPolicy,
  type SeenConnection,
  type SessionSeen,
} from './counted-session.ts'
export type { ReportCountingEvent, ResultCount } from './counting-events.ts'
export type { MailAnswer, OutgoingReport, ReportMailer } from './ports/report-mailer.ts'
export {
  type BatchOutcome,
  type RenderedReport,
  type ReportClaim,
  type ReportNext,
  type ReportPage,
  type ReportProgress,
  type ReportState,
  type ResultStore,
  ResultStoreUnavailable,
  type TargetState,
} from './ports/result-store.ts'
export type { Signer } from './ports/signer.ts'
export { type PreviewOptions, type PreviewPage, previewReports, type ReportPreview } from './preview.ts'
export {
  REPORT_OCTETS_MAX,
  type ReadFailure,
  type ReadPolicy,
  type ReadReport,
  type ReadReportError,
  readReport,
} from './read-report.ts'
export {
  type IgnoredRua,
  selectTlsrptRecord,
  type TlsrptRecord,
  type TlsrptRecordError,
  tlsrptRecordName,
} from './record.ts'
export { lookUpTlsrptRecord, type RecordLookup } from './record-lookup.ts'
export {
  type FailureEntry,
  type PolicyEntry,
  type Reporter,
  type ReportSubject,
  renderReport,
  reportedPolicies,
  type TlsReport,
  tlsReport,
} from './report.ts'
export { type ReportMail, type ReportMessage, reportMessage } from './report-message.ts'
export { type ReportOrigin, reportFileName, reportIdFor } from './report-name.ts'
export type { ReportFinding } from './report-schema.ts'
export { createReportSender, type ReportSender } from './report-sender.ts'
export { COMPRESSED_OCTETS_MAX, type SizedReport, sizedReport } from './report-size.ts'
export { RESULT_TYPE_MEANING, type ResultType } from './result-type.ts'
export { type HttpsRua, type MailtoRua, parseRua, type Rua, type RuaError } from './rua.ts'
export { type RunOptions, type RunRequest, type RunSummary, runReports } from './run.ts'
export {
  type FailedAttempts,
  firstAttemptAt,
  forgottenAt,
  type NextAttempt,
  nextAttempt,
  REPORTS_PER_SITE_MAX,
  type SendTime,
  targetSite,
} from './schedule.ts'
export type { ReportSendingEvent } from './sending-events.ts'
export { SessionCounter, type SessionCounterOptions } from './session-counter.ts'
export type { StoredReport } from './stored-report.ts'
export type { Submission } from './submission.ts'
export { submitByHttps } from './submit-https.ts'
export { submitByMail } from './submit-mailto.ts'
export {
  type DomainTally,
  EMPTY_TALLY,
  type FailureCount,
  mergeTallies,
  type PolicyTally,
  type Sums,
  tallyTotals,
} from './tally.ts'
export { type DayTally, type SessionOfDay, TallySum } from './tally-sum.ts'
export { dayClosesAt, isClosed, lastClosedDay, parseUtcDay, type UtcDay, utcDayOf } from './utc-day.ts'
