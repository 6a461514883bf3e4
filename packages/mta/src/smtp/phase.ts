/**
 * The step of an SMTP session in which something happened (RFC 5321 §3.1–3.3, RFC 3207 §4, RFC 4954 §4): every timeout,
 * refusal and loss is told with its phase. Pure vocabulary.
 */
export type SmtpPhase =
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'tls-handshake'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'content'
  | 'final-dot'
  | 'rset'
  | 'quit'
