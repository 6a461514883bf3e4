/**
 * What a peer offered in the EHLO reply in force (RFC 5321 §4.1.1.1): keywords without case, unknown ones
 * ignored, malformed ones as if absent. Pure. Only the last EHLO counts; one before TLS never does (RFC 3207 §4.2).
 */

export interface Capabilities {
  /** HELO offers nothing. */
  readonly greetedWith: 'ehlo' | 'helo'
  readonly pipelining: boolean
  readonly eightBitMime: boolean
  /** RFC 6531 §3.1: parameters of the keyword are ignored. */
  readonly smtpUtf8: boolean
  readonly dsn: boolean
  readonly enhancedStatusCodes: boolean
  readonly startTls: boolean
  readonly chunking: boolean
  readonly requireTls: boolean
  /** RFC 1870 §4: present when SIZE is offered; without `limit` there is none. */
  readonly size?: { readonly limit?: number }
  /** RFC 4954 §3: upper case. */
  readonly authMechanisms: readonly string[]
  /** RFC 9422 §4. */
  readonly limits: SmtpLimits
}

export interface SmtpLimits {
  readonly mailMax?: number
  readonly rcptMax?: number
  readonly rcptDomainMax?: number
}
