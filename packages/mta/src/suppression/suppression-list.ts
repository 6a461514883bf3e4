/**
 * Port: addresses that mail is not sent to, because servers refused mail for them for good, or because an operator says so.
 * Each ends by itself, and there is a limit to their number.
 *
 * Adapters: `sqlite-suppression.ts` (one relay, `suppression.db`), `redis-suppression.ts` (what relays share). Both pass
 * `suppression-list.contract.ts`. Operations reject with `SuppressionUnavailable`; then nobody is suppressed.
 *
 * Deliberately absent: what counts as a refusal for good (`rule.ts`), replies and notifications.
 */
import type { EnhancedStatus } from '../smtp/enhanced-status.ts'
import { formatDomain, type MailAddress } from '../smtp/mail-address.ts'

/** `local@domain` in lower case: servers that tell cases apart are rarer than lists that mix them. */
export type SuppressionKey = string & { readonly __brand: 'SuppressionKey' }

export function suppressionKey({ localPart, domain }: MailAddress): SuppressionKey {
  return `${localPart.toLowerCase()}@${formatDomain(domain)}` as SuppressionKey
}

export interface Suppressed {
  readonly address: SuppressionKey
  /** UTC milliseconds. */
  readonly since: number
  readonly until: number
  readonly by: 'bounces' | 'operator'
  /** What the last of the refusals said. */
  readonly status?: EnhancedStatus
  /** An operator's words. */
  readonly reason?: string
}

/** What deliveries said of addresses. */
export interface Noted {
  readonly refused: readonly { readonly address: SuppressionKey; readonly status: EnhancedStatus }[]
  /** Mail arrived: refusals before that do not count any more. */
  readonly delivered: readonly SuppressionKey[]
}

export interface SuppressionList {
  find(addresses: readonly SuppressionKey[]): Promise<ReadonlyMap<SuppressionKey, Suppressed>>
  /** Answers the addresses that are suppressed from now on and were not before. */
  note(noted: Noted): Promise<readonly Suppressed[]>
  /** In place of what was there. `full`: nothing that came by bounces can make room. */
  add(entry: Omit<Suppressed, 'since' | 'by'>): Promise<'added' | 'full'>
  /** Its refusals are forgotten as well. */
  remove(address: SuppressionKey): Promise<boolean>
  /** By address, in the order of octets. */
  list(page: { readonly limit: number; readonly after?: SuppressionKey }): Promise<readonly Suppressed[]>
  count(): Promise<number>
}

/** How refusals become an entry, and how many there may be. */
export interface SuppressionTerms {
  /** So many refusals … */
  readonly strikes: number
  /** … in this time, none of them followed by a delivery. */
  readonly windowMs: number
  readonly expiryMs: number
  readonly entriesMax: number
}

export class SuppressionUnavailable extends Error {
  override readonly name = 'SuppressionUnavailable'
}
