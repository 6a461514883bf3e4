/**
 * The header field `TLS-Required` (RFC 8689 §3): what its one instance in the header section of the message says.
 * Fields of parts and of enclosed messages are content. Pure.
 */
import type { ParsedHeader } from './header.ts'

/** `repeated`: it may occur once (RFC 8689 §3); which one to believe nobody can say. */
export type TlsRequiredField = 'absent' | 'no' | 'another-value' | 'repeated'

// Deviation from RFC 8689 §3: white space behind the value is tolerated; nobody sees it, and it says nothing else.
const NO = /^(?:[ \t]*\r\n)?[ \t]*no[ \t]*$/i

export function tlsRequiredField({ fields }: Pick<ParsedHeader, 'fields'>): TlsRequiredField {
  const [first, ...more] = fields.filter(({ name }) => name === 'tls-required')
  if (first === undefined) return 'absent'
  if (more.length > 0) return 'repeated'
  return NO.test(first.body) ? 'no' : 'another-value'
}
