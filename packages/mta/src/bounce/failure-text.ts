/**
 * The first part of a failure notification: what a person reads (RFC 3464 §1.1, RFC 6522 §3). Pure.
 *
 * Recipients that failed for the same reason are told together; after `RECIPIENTS_TOLD` the rest is left to
 * the machine-readable part, which always names all.
 */

import { formatDateTime } from '../smtp/date-time.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { type Explanation, explainWithHistory } from './cause-text.ts'
import type { FailedRecipient } from './dsn-decision.ts'
import { printable, singleLine, wrap } from './header-text.ts'

export interface FailureTextFacts {
  readonly hostname: string
  readonly postmaster: string
  readonly queueId: QueueId
  /** UTC milliseconds. */
  readonly receivedAt: number
  readonly failed: readonly FailedRecipient[]
}

const RECIPIENTS_TOLD = 100
const WIDTH = 72

export function failureText(facts: FailureTextFacts): string {
  const { hostname, postmaster, failed, queueId, receivedAt } = facts
  const told = failed.slice(0, RECIPIENTS_TOLD)
  const rest = failed.length - told.length
  const lines = [
    ...paragraph(`This is the mail relay ${printable(hostname, 255)}.`),
    ...paragraph(
      failed.length === 1
        ? 'Your message could not be delivered to this recipient, and it will not be tried again:'
        : `Your message could not be delivered to these ${failed.length} recipients, and it will not be tried again:`,
    ),
    ...groupsOf(told).flatMap(({ addresses, explanations }) => [
      ...addresses.map((address) => `  ${address}`),
      ...explanations.flatMap(explanationLines),
      '',
    ]),
    ...(rest === 0 ? [] : paragraph(`and to ${rest} more, which the next part of this notification lists.`)),
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

interface Group {
  readonly addresses: string[]
  readonly explanations: readonly Explanation[]
}

function groupsOf(failed: readonly FailedRecipient[]): readonly Group[] {
  const groups = new Map<string, Group>()
  for (const { recipient, problem } of failed) {
    const explanations = explainWithHistory(problem)
    const key = JSON.stringify(explanations)
    const group: Group = groups.get(key) ?? { addresses: [], explanations }
    group.addresses.push(singleLine(formatAddress(recipient.address)))
    groups.set(key, group)
  }
  return [...groups.values()]
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
