/**
 * What a login may do and what becomes of its mail: the terms as they are written down, checked, and as sessions use
 * them. Pure. Secrets are in `secret-hash.ts`, the file of logins in `credential-file.ts`.
 */
import { type DomainName, parseDomainName } from '@hermetic/policy'
import type { Rate } from '../limits/rate.ts'
import { parseRate } from '../limits/rate-text.ts'
import { PRIORITY_MAX, PRIORITY_MIN, type PriorityTerms } from './priority.ts'
import { parseSenderRight, SENDER_PATTERNS, type SenderRight } from './sender-rights.ts'
import { isTag } from './tag-field.ts'

/** As in `credentials.json` and `[[credential]]`; what is absent is not limited. */
export interface AccountTerms {
  /** Patterns of addresses; absent: any sender (SUB-14). */
  readonly allowedSenders?: readonly string[]
  /** `false`: only the reverse-path has to be allowed, not the authors that the message names. */
  readonly checkFrom?: boolean
  readonly tag?: string
  /** Whose keys sign when there are none for the domain in From. */
  readonly dkimDomain?: string
  /** RFC 6710: of mail that comes without MT-PRIORITY. */
  readonly priority?: number
  /** The highest that this login may ask for; absent: its own. */
  readonly maxPriority?: number
  readonly messageRate?: string
  readonly recipientRate?: string
}

export interface Account {
  readonly username: string
  /** Undefined: any sender. */
  readonly senderRights: readonly SenderRight[] | undefined
  /** Undefined: a message may name any author. */
  readonly authorRights: readonly SenderRight[] | undefined
  readonly tag?: string
  readonly dkimDomain?: DomainName
  readonly priority: PriorityTerms
  readonly rates: MailRates
}

export interface MailRates {
  readonly messages?: Rate
  readonly recipients?: Rate
}

/** The type of each term in JSON. */
const TERM_TYPES = {
  allowedSenders: 'list',
  checkFrom: 'boolean',
  tag: 'string',
  dkimDomain: 'string',
  priority: 'number',
  maxPriority: 'number',
  messageRate: 'string',
  recipientRate: 'string',
} as const satisfies Record<keyof AccountTerms, 'list' | 'boolean' | 'string' | 'number'>

/** The terms among the fields of a JSON object; undefined when one has the wrong type. */
export function readTerms(fields: Readonly<Record<string, unknown>>): AccountTerms | undefined {
  const terms: Record<string, unknown> = {}
  for (const [name, type] of Object.entries(TERM_TYPES)) {
    const value = fields[name]
    if (value === undefined) continue
    const fits = type === 'list' ? isListOfText(value) : typeof value === type
    if (!fits) return undefined
    terms[name] = value
  }
  return terms
}

/** Why terms cannot be used; undefined when they can. */
export function termsProblem(terms: AccountTerms): string | undefined {
  const { allowedSenders, tag, dkimDomain, priority, maxPriority } = terms
  const bad = allowedSenders?.find((pattern) => parseSenderRight(pattern) === undefined)
  if (bad !== undefined) return `allowed sender ${JSON.stringify(bad)} is not ${SENDER_PATTERNS}`
  if (tag !== undefined && !isTag(tag)) return `tag ${JSON.stringify(tag)} is not 1 to 64 letters, digits, . _ or -`
  if (dkimDomain !== undefined && !parseDomainName(dkimDomain).ok) return `${JSON.stringify(dkimDomain)} is no domain`
  const beyond = [priority, maxPriority].find((level) => level !== undefined && !isPriority(level))
  if (beyond !== undefined) return `priority ${beyond} is not a whole number from ${PRIORITY_MIN} to ${PRIORITY_MAX}`
  if (maxPriority !== undefined && maxPriority < (priority ?? 0)) return 'the highest priority is below the usual one'
  const rate = [terms.messageRate, terms.recipientRate].find((text) => text !== undefined && !parseRate(text))
  return rate === undefined ? undefined : `${JSON.stringify(rate)} is not a rate such as 1000/1h`
}

export function accountOf(username: string, terms: AccountTerms): Account {
  const senderRights = terms.allowedSenders?.flatMap((pattern) => parseSenderRight(pattern) ?? [])
  const domain = terms.dkimDomain === undefined ? undefined : parseDomainName(terms.dkimDomain)
  const messages = terms.messageRate === undefined ? undefined : parseRate(terms.messageRate)
  const recipients = terms.recipientRate === undefined ? undefined : parseRate(terms.recipientRate)
  const assumed = terms.priority ?? 0
  return {
    username,
    senderRights,
    authorRights: terms.checkFrom === false ? undefined : senderRights,
    ...(terms.tag === undefined ? {} : { tag: terms.tag }),
    ...(domain?.ok === true ? { dkimDomain: domain.value } : {}),
    priority: { assumed, max: terms.maxPriority ?? assumed },
    rates: { ...(messages === undefined ? {} : { messages }), ...(recipients === undefined ? {} : { recipients }) },
  }
}

function isPriority(level: number): boolean {
  return Number.isInteger(level) && level >= PRIORITY_MIN && level <= PRIORITY_MAX
}

function isListOfText(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
