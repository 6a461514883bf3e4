/**
 * Who answers for this relay: the configured mailbox, else `postmaster` at its own name (RFC 5321 §4.5.1; only
 * loopback listeners may leave it out). Pure.
 */
import type { Config } from '../config/schema.ts'
import type { MailAddress } from '../smtp/mail-address.ts'

export function postmasterOf({ postmaster, hostname }: Pick<Config, 'postmaster' | 'hostname'>): MailAddress {
  return postmaster ?? { localPart: 'postmaster', domain: hostname }
}
