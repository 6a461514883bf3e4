/**
 * The first part of a notification: what a person reads (RFC 3464 §1.1, RFC 6522 §3). Pure.
 *
 * What failed comes first, then what waits, then what was passed on. Recipients with the same story are told together;
 * after `RECIPIENTS_TOLD` the rest is left to the machine-readable part, which always names all.
 */
import { assertNever } from '@hermetic/policy'
import { formatDateTime } from '../smtp/date-time.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { explainActual, explainWithHistory } from './cause-text.ts'
import type { Explanation } from './explanation.ts'
import { printable, singleLine, wrap } from './header-text.ts'
import { ACTIONS, type Reported } from './reported.ts'

export interface NoticeTextFacts {
  readonly hostname: string
  readonly postmaster: string
  readonly queueId: QueueId
  /** UTC milliseconds. */
  readonly receivedAt: number
  readonly expiresAt: number
  readonly reported: readonly Reported[]
}

const RECIPIENTS_TOLD = 100
const WIDTH = 72

export function noticeText(facts: NoticeTextFacts): string {
  const { hostname, postmaster, queueId, receivedAt } = facts
  const lines = [
    ...paragraph(`This is the mail relay ${printable(hostname, 255)}.`),
    ...ACTIONS.flatMap((action) => section(action, facts)),
    ...paragraph(
      `The message arrived here on ${formatDateTime(receivedAt)}. When you ask about it, give its queue id ` +
        `${queueId} to ${printable(postmaster, 320)}.`,
    ),
    ...paragraph(
      'The next parts of this notification hold the details for programs and what was kept of your message.',
    ),
  ]
  return `${lines.slice(0, -1).join('\r\n')}\r\n`
}

function section(action: Reported['action'], facts: NoticeTextFacts): readonly string[] {
  const all = facts.reported.filter((one) => one.action === action)
  if (all.length === 0) return []
  const told = all.slice(0, RECIPIENTS_TOLD)
  const rest = all.length - told.length
  return [
    ...paragraph(opening(action, all.length, facts)),
    ...groupsOf(told).flatMap(({ addresses, explanations }) => [
      ...addresses.map((address) => `  ${address}`),
      ...explanations.flatMap(explanationLines),
      '',
    ]),
    ...(rest === 0 ? [] : paragraph(`and to ${rest} more, which the next part of this notification lists.`)),
  ]
}

function opening(action: Reported['action'], recipients: number, { expiresAt }: NoticeTextFacts): string {
  const these = recipients === 1 ? 'this recipient' : `these ${recipients} recipients`
  switch (action) {
    case 'failed':
      return `Your message could not be delivered to ${these}, and it will not be tried again:`
    case 'delayed':
      return `Your message has not been delivered to ${these} yet. You need not send it again: this relay goes on trying until ${formatDateTime(expiresAt)} and tells you if it gives up.`
    case 'relayed':
      return `Your message was handed to the next server for ${these}. That server does not tell of successful deliveries: this is the last you hear unless something fails.`
    default:
      return assertNever(action)
  }
}

interface Group {
  readonly addresses: string[]
  readonly explanations: readonly Explanation[]
}

function groupsOf(reported: readonly Reported[]): readonly Group[] {
  const groups = new Map<string, Group>()
  for (const one of reported) {
    const explanations = explanationsOf(one)
    const key = JSON.stringify(explanations)
    const group: Group = groups.get(key) ?? { addresses: [], explanations }
    group.addresses.push(singleLine(formatAddress(one.recipient.address)))
    groups.set(key, group)
  }
  return [...groups.values()]
}

function explanationsOf(reported: Reported): readonly Explanation[] {
  switch (reported.action) {
    case 'failed':
      return explainWithHistory(reported.problem)
    case 'delayed':
      return [explainActual(reported.problem), ...(reported.ambiguous === true ? [PERHAPS_DELIVERED] : [])]
    case 'relayed':
      return [{ what: `It was taken by ${printable(reported.remote.mxHostname, 255)}.` }]
    default:
      return assertNever(reported)
  }
}

/** RFC 5321 §3.8: whoever has read all of it and does not answer may have it. */
const PERHAPS_DELIVERED: Explanation = {
  what: 'The other server had read the whole message by then, and may have delivered it: perhaps the recipient has it.',
}

function explanationLines({ what, quote, advice }: Explanation): readonly string[] {
  return [
    ...indented(what, '    '),
    ...(quote === undefined ? [] : indented(quote, '      ')),
    ...(advice === undefined ? [] : indented(advice, '    ')),
  ]
}

function indented(text: string, margin: string): readonly string[] {
  return wrap(text, WIDTH - margin.length).map((line) => margin + line)
}

function paragraph(text: string): readonly string[] {
  return [...wrap(text, WIDTH), '']
}
