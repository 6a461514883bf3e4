/** The public API of `@hermetic/reporter`: TLSRPT, from TLS session results to submitted reports. */
export {
  parseTlsrptRecord,
  selectTlsrptRecord,
  type TlsrptRecord,
  type TlsrptRecordError,
  tlsrptRecordName,
} from './record.ts'
export { type HttpsRua, type MailtoRua, parseRua, type Rua, type RuaError } from './rua.ts'
export { isClosed, lastClosedDay, parseUtcDay, type UtcDay, utcDayOf } from './utc-day.ts'
