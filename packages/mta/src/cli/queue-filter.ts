/**
 * Which messages an order of the queue is about, as words of the command line and as the spool takes them. Pure.
 */
import { parseDomainName } from '@hermetic/policy'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { parseDuration } from '../config/quantity.ts'
import { parseLaneId } from '../delivery/lane.ts'
import { RULE_ID } from '../holds/hold-rule.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import type { QueueFilter } from '../spool/spool.ts'
import { parseMailbox } from '../submission/address.ts'
import { isTag } from '../submission/tag-field.ts'
import { UsageError } from './verb.ts'

export const FILTER_OPTIONS = {
  lane: { type: 'string' },
  domain: { type: 'string' },
  sender: { type: 'string' },
  state: { type: 'string' },
  tag: { type: 'string' },
  rule: { type: 'string' },
  'older-than': { type: 'string' },
} as const

export const FILTER_HELP = `Filters, all of which must match:
  --lane LANE      e.g. mx:example.com:25
  --domain DOMAIN  recipients in this domain
  --sender ADDRESS the reverse-path; "<>" for notifications
  --state STATE    queued, held or quarantined
  --tag TAG        as the message or its login was tagged
  --rule RULE      what this rule holds; hermetic hold list shows them
  --older-than AGE arrived longer ago, e.g. 90m or 2d`

export type FilterWords = { readonly [word in keyof typeof FILTER_OPTIONS]?: string | undefined }

/** `now`: UTC milliseconds, from which ages count. */
export function filterOf(words: FilterWords, now: number): QueueFilter {
  const { lane, domain, sender, state, tag, rule, 'older-than': age } = words
  if (lane !== undefined && lane !== NOTICE_LANE && parseLaneId(lane) === undefined)
    throw new UsageError(`--lane ${lane} is not a lane; they look like mx:example.com:25`)
  if (state !== undefined && state !== 'queued' && state !== 'held' && state !== 'quarantined') {
    throw new UsageError('--state is queued, held or quarantined')
  }
  if (tag !== undefined && !isTag(tag)) throw new UsageError(`--tag ${tag} is not 1 to 64 letters, digits, . _ or -`)
  if (rule !== undefined && !RULE_ID.test(rule))
    throw new UsageError(`--rule ${rule} is not a rule; hermetic hold list shows them`)
  return {
    // Parsed above.
    ...(lane === undefined ? {} : { lane: lane as NonNullable<QueueFilter['lane']> }),
    ...(domain === undefined ? {} : { domain: domainOf(domain) }),
    ...(sender === undefined ? {} : { sender: senderOf(sender) }),
    ...(state === undefined ? {} : { state }),
    ...(tag === undefined ? {} : { tag }),
    ...(rule === undefined ? {} : { rule }),
    ...(age === undefined ? {} : { arrivedBefore: now - ageOf(age) }),
  }
}

export function domainOf(text: string): string {
  const name = parseDomainName(text)
  if (!name.ok && !text.startsWith('[')) throw new UsageError(`--domain ${text} is not a domain`)
  return name.ok ? name.value : text
}

/** As the spool keeps it: the empty string is the null reverse-path. */
export function senderOf(text: string): string {
  if (text === '' || text === '<>') return ''
  const address = parseMailbox(text.replace(/^<(.*)>$/, '$1'))
  if (!address.ok) throw new UsageError(`--sender ${text} is not a mail address`)
  return formatAddress(address.value)
}

function ageOf(text: string): number {
  const age = parseDuration(text)
  if (!age.ok) throw new UsageError(`--older-than ${text} is not an age; write a whole number with s, m, h or d`)
  return age.value
}
