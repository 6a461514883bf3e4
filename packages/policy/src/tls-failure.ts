/**
 * Why a TLS handshake failed, told from the codes of Node and OpenSSL, never from their texts. Pure.
 *
 * The codes were measured on Node 24.21 and 26.10 (OpenSSL 3.5). What is not known stays `other`, with its code.
 */
export type TlsFailure =
  /** The peer sent a fatal alert: its name in RFC 8446 §6 words, e.g. handshake-failure. */
  | { readonly kind: 'alert'; readonly alert: string }
  /** TCP reset, or another error of the connection; the system's code. */
  | { readonly kind: 'reset'; readonly code: string }
  /** The peer closed without an alert. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'timeout' }
  /** The caller's signal. */
  | { readonly kind: 'aborted' }
  /** What came back is no TLS record. */
  | { readonly kind: 'not-tls' }
  /** The peer chose a version older than TLS 1.2. */
  | { readonly kind: 'protocol-version' }
  /** The handshake ended without a certificate to judge. */
  | { readonly kind: 'no-certificate' }
  | { readonly kind: 'other'; readonly code: string }

// OpenSSL names received alerts by the version that introduced them, a few without the word "alert".
const ALERT = /^ERR_SSL_(?:SSL\/TLS|SSLV3|TLSV1|TLSV13)_(?:ALERT_)?([A-Z_]+)$/
const NOT_TLS: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_DATA_LENGTH_TOO_LONG',
  'ERR_SSL_BAD_RECORD_TYPE',
])
const OLD_VERSION: ReadonlySet<string> = new Set([
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'ERR_SSL_VERSION_TOO_LOW',
  'ERR_SSL_WRONG_SSL_VERSION',
])

/** Translates an `error` event of a TLS socket, during the handshake or after it. */
export function tlsFailureOf(error: unknown): TlsFailure {
  const { code, syscall } = codesOf(error)
  const alert = receivedAlert(code)
  if (alert !== undefined) return alert
  if (NOT_TLS.has(code)) return { kind: 'not-tls' }
  if (OLD_VERSION.has(code)) return { kind: 'protocol-version' }
  // Node reports an orderly close inside the handshake as ECONNRESET too, but without a system call.
  if (code === 'ECONNRESET' && syscall === undefined) return { kind: 'closed' }
  return syscall === undefined ? { kind: 'other', code } : { kind: 'reset', code }
}

/**
 * An alert by the code of its error. In TLS 1.3 we are done before the peer has judged what we sent, so its alert may
 * come when we already wait for its first reply (RFC 8446 §4.4.4).
 */
export function receivedAlert(code: string): (TlsFailure & { readonly kind: 'alert' }) | undefined {
  const alert = ALERT.exec(code)?.[1]
  return alert === undefined ? undefined : { kind: 'alert', alert: alert.toLowerCase().replaceAll('_', '-') }
}

/**
 * The handshake broke without a word from the peer: middleboxes and old hosts do so on a ClientHello that spans two
 * segments, which classic groups avoid. A peer that sent an alert has read the ClientHello and decided.
 */
export function endedWithoutAlert(failure: TlsFailure): boolean {
  return failure.kind === 'reset' || failure.kind === 'closed' || failure.kind === 'timeout'
}

function codesOf(error: unknown): { readonly code: string; readonly syscall: string | undefined } {
  if (!(error instanceof Error)) return { code: 'UNKNOWN', syscall: undefined }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN'
  return { code, syscall: 'syscall' in error && typeof error.syscall === 'string' ? error.syscall : undefined }
}
