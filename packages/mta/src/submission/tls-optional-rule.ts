/**
 * Whose `TLS-Required: No` is not followed (RFC 8689 §8.3): an operator may not want mail of, or to, some addresses to
 * travel in clear because a header field says so. Pure.
 */
import type { MailAddress } from '../smtp/mail-address.ts'
import { maySendAs, parseSenderRight, type SenderRight } from './sender-rights.ts'

export type TlsOptionalRule = { readonly kind: 'everybody' } | SenderRight

/** `user@example.com`, `@example.com`, or `*`; undefined when it is none of them. */
export function parseTlsOptionalRule(pattern: string): TlsOptionalRule | undefined {
  return pattern === '*' ? { kind: 'everybody' } : parseSenderRight(pattern)
}

/** For sender and recipients of a message: one of them is enough, for the message has one tag. */
export function tlsOptionalRules(patterns: readonly string[]): (addresses: readonly MailAddress[]) => boolean {
  const rules = patterns.flatMap((pattern) => parseTlsOptionalRule(pattern) ?? [])
  if (rules.some(({ kind }) => kind === 'everybody')) return () => false
  const chosen = rules.filter((rule) => rule.kind !== 'everybody')
  return (addresses) => !addresses.some((address) => maySendAs(address, chosen))
}
