/**
 * The date-time of RFC 5322 §3.3, in UTC with a numeric zone. Pure.
 */
export function mailDate(utcMs: number): string {
  return new Date(utcMs).toUTCString().replace('GMT', '+0000')
}
