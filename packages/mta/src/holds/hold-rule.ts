/**
 * A rule that keeps mail back: whose mail it means, and why. Everything that it names must fit. Pure.
 *
 * A rule that was removed, or whose time is over, means nothing any more; it is kept until what it held is released.
 */
import type { Envelope } from '../smtp/envelope.ts'
import { formatDomain, formatReversePath, type MailAddress } from '../smtp/mail-address.ts'

export interface HoldRule {
  readonly id: string
  /** A domain of recipients, or `*.` and a domain for all below it. */
  readonly domain?: string
  /** The reverse-path, or the domain of it; the empty text is the null reverse-path. */
  readonly sender?: string
  /** The login that the message came with. */
  readonly credential?: string
  readonly tag?: string
  readonly reason: string
  /** UTC milliseconds. */
  readonly since: number
  readonly until?: number
  /** When an operator removed it; what it held is on its way. */
  readonly removedAt?: number
}

export const RULE_ID = /^[0-9a-f]{8}$/

/** Read for every message: more of them are a list that belongs elsewhere. */
export const HOLD_RULES_MAX = 1_000
export const HOLD_REASON_MAX = 256

export function isOver({ until, removedAt }: HoldRule, now: number): boolean {
  return removedAt !== undefined || (until !== undefined && until <= now)
}

export function means(
  { domain, sender, credential, tag }: HoldRule,
  { envelope, recipient }: { readonly envelope: Envelope; readonly recipient: MailAddress },
): boolean {
  if (domain !== undefined && !isOfDomain(formatDomain(recipient.domain), domain)) return false
  if (sender !== undefined && !isFrom(formatReversePath(envelope.reversePath), sender)) return false
  const { origin } = envelope
  if (credential !== undefined && (origin.kind !== 'credential' || origin.username !== credential)) return false
  return tag === undefined || envelope.tag === tag
}

function isOfDomain(domain: string, wanted: string): boolean {
  return wanted.startsWith('*.') ? domain.endsWith(wanted.slice(1)) : domain === wanted
}

/** Local parts are compared as they are written (RFC 5321 §2.4), domains are in their one form. */
function isFrom(reversePath: string, wanted: string): boolean {
  if (wanted === '' || wanted.includes('@')) return reversePath === wanted
  return reversePath !== '' && isOfDomain(reversePath.slice(reversePath.lastIndexOf('@') + 1), wanted)
}

/** What it means, as operators write it. */
export function ruleWords({ domain, sender, credential, tag }: HoldRule): string {
  return [
    ...(domain === undefined ? [] : [`to ${domain}`]),
    ...(sender === undefined ? [] : [`from ${sender === '' ? '<>' : sender}`]),
    ...(credential === undefined ? [] : [`by ${credential}`]),
    ...(tag === undefined ? [] : [`tagged ${tag}`]),
  ].join(', ')
}
