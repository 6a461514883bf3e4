/**
 * The queue as people like to read it: tables of messages, one message in full, totals. Pure.
 */

import type { LaneWaits, Waits } from '../admin/waits-order.ts'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { waitWords } from '../limits/limit-report.ts'
import { foreignText } from '../observability/log-line.ts'
import { formatAddress, formatReversePath } from '../smtp/mail-address.ts'
import { formatReply } from '../smtp/reply.ts'
import { mailClassOf } from '../spool/mail-class.ts'
import type { QueueDelivery, QueueEntry, QueueRecipient, QueueShape, QueueSummary } from '../spool/spool.ts'
import { explainProblem } from './problem-text.ts'
import { counted, formatAge, formatBytes, formatTable } from './table.ts'

export interface Paper {
  readonly now: number
  readonly width: number | undefined
}

/** With what the lanes wait for in the relay that was asked; what is not known is not shown. */
export interface WaitingPaper extends Paper {
  readonly waiting?: Waits
}

/** One line for each lane of each message. */
export function listText(entries: readonly QueueEntry[], { now, width, waiting = {} }: WaitingPaper): string {
  const rows = entries.flatMap((entry) =>
    shownOf(entry).map((delivery) => listRow(entry, delivery, { now, wait: waiting[delivery.lane] })),
  )
  const columns = [
    { title: 'ID' },
    { title: 'AGE', align: 'right' },
    { title: 'SIZE', align: 'right' },
    { title: 'CLASS' },
    { title: 'STATE' },
    { title: 'TRIES', align: 'right' },
    { title: 'NEXT TRY' },
    { title: 'FROM' },
    { title: 'TO' },
    { title: 'LAST PROBLEM' },
  ] as const
  return formatTable(columns, rows, width)
}

function listRow(entry: QueueEntry, delivery: QueueDelivery, paper: DeliveryPaper): readonly string[] {
  const open = delivery.recipients.filter(({ state }) => state === 'open')
  const shown = open.length > 0 ? open : delivery.recipients
  const [first] = shown
  const more = shown.length > 1 ? ` +${shown.length - 1}` : ''
  return [
    entry.id,
    formatAge(paper.now - entry.receivedAt),
    formatBytes(entry.envelope.size),
    mailClassOf(entry.envelope.priority),
    isNotice(delivery) ? 'to report' : delivery.state,
    isNotice(delivery) ? '-' : String(delivery.attempts),
    isNotice(delivery) ? nextTry(delivery, paper.now) : laneTry(delivery, paper),
    formatReversePath(entry.envelope.reversePath) || '<>',
    first === undefined ? '' : `${formatAddress(first.address)}${more}`,
    lastProblem(delivery),
  ]
}

/** What the sender was told already is in the trace. */
function shownOf({ deliveries }: QueueEntry): readonly QueueDelivery[] {
  return deliveries.filter(({ lane, state }) => lane !== NOTICE_LANE || state !== 'settled')
}

/** No mail, but what its sender is still to be told. */
function isNotice({ lane, state }: QueueDelivery): boolean {
  return lane === NOTICE_LANE && state === 'queued'
}

function nextTry({ state, dueAt }: QueueDelivery, now: number): string {
  if (state === 'in-delivery') return 'running'
  if (state !== 'queued') return '-'
  return dueAt <= now ? 'now' : `in ${formatAge(dueAt - now)}`
}

/** Its own time, or the later one of its lane, with what keeps the lane; in two words, for `queue show` has all. */
function laneTry(delivery: QueueDelivery, { now, wait = {} }: DeliveryPaper): string {
  const { state, dueAt } = delivery
  if (state !== 'queued') return nextTry(delivery, now)
  const { phase, suspended, resting, limit } = wait
  if (phase !== undefined) return phase
  const earliest = Math.max(dueAt, now)
  const longer = [
    ...(resting === undefined ? [] : [{ until: resting.until, because: 'lane rests' }]),
    ...(suspended === undefined ? [] : [{ until: suspended.until, because: 'login refused' }]),
  ].filter(({ until }) => until > earliest)
  const last = longer.toSorted((a, b) => a.until - b.until).at(-1)
  if (last !== undefined) return `in ${formatAge(last.until - now)} (${last.because})`
  if (dueAt > now || limit?.waitsFor === undefined) return nextTry(delivery, now)
  return limit.waitsFor === 'rate' ? 'now (at its rate)' : 'now (at its limit)'
}

function lastProblem({ recipients, stateReason: said, rule }: QueueDelivery): string {
  const stateReason = rule === undefined ? said : `rule ${rule}: ${said ?? ''}`
  const problem = recipients.map(recipientProblem).find((text) => text !== undefined)
  if (problem === undefined) return stateReason ?? ''
  return stateReason === undefined ? problem : `${stateReason}; ${problem}`
}

function recipientProblem({ lastOutcome }: QueueRecipient): string | undefined {
  if (lastOutcome === undefined || lastOutcome.kind === 'delivered') return undefined
  return explainProblem(lastOutcome.problem)
}

/** What the sender wants of TLS, in the words of RFC 8689. */
const TLS_WORDS = { requiretls: 'REQUIRETLS', 'tls-optional': 'TLS-Required: No' } as const

/** Everything about one message. */
export function messageText(entry: QueueEntry, { now, waiting = {} }: WaitingPaper): string {
  const { envelope } = entry
  const flags = [
    envelope.body === '8bitmime' ? '8BITMIME' : '7bit',
    ...(envelope.smtpUtf8 ? ['SMTPUTF8'] : []),
    ...(envelope.tls === 'default' ? [] : [TLS_WORDS[envelope.tls]]),
    ...(envelope.priority === undefined ? [] : [`priority ${envelope.priority} (${mailClassOf(envelope.priority)})`]),
  ]
  const lines = [
    ['Id', entry.id],
    ['Message-ID', entry.messageIdHeader ?? '-'],
    ['From', formatReversePath(envelope.reversePath) || '<> (a notification)'],
    ['Arrived', `${isoTime(entry.receivedAt)}, ${formatAge(now - entry.receivedAt)} ago, by ${originText(entry)}`],
    ['Given up', `${isoTime(entry.expiresAt)}, in ${formatAge(entry.expiresAt - now)}`],
    ['Content', `${formatBytes(envelope.size)}, ${flags.join(', ')}`],
  ]
  const head = lines.map(([name = '', value = '']) => `${`${name}:`.padEnd(12)}${foreignText(value)}\n`).join('')
  return (
    head +
    shownOf(entry)
      .map((delivery) => deliveryText(delivery, { now, wait: waiting[delivery.lane] }))
      .join('')
  )
}

function originText({ envelope: { origin } }: QueueEntry): string {
  switch (origin.kind) {
    case 'credential':
      return `${origin.username} at ${origin.address}`
    case 'network':
      return origin.address
    case 'local':
      return `this relay (${origin.purpose})`
  }
}

interface DeliveryPaper {
  readonly now: number
  readonly wait: LaneWaits | undefined
}

function deliveryText(delivery: QueueDelivery, { now, wait }: DeliveryPaper): string {
  const { lane, state, stateReason, rule, attempts, dueAt } = delivery
  const recipients = delivery.recipients.map((recipient) => recipientText(recipient)).join('')
  if (isNotice(delivery))
    return `\nLane ${lane}: the sender is told ${nextTry(delivery, now)} (${isoTime(dueAt)})\n${recipients}`
  const by = rule === undefined ? '' : ` by rule ${rule}`
  const reason = stateReason === undefined ? by : `${by} (${foreignText(stateReason)})`
  const due = state === 'queued' ? `, next try ${nextTry(delivery, now)} (${isoTime(dueAt)})` : ''
  const head = `\nLane ${lane}: ${state}${reason}, ${attempts} ${attempts === 1 ? 'try' : 'tries'}${due}\n`
  const waits = waitReasons(delivery, { now, wait })
  return head + waits.map((reason) => `  waits because ${foreignText(reason)}\n`).join('') + recipients
}

/** Every reason that is known here; whoever is out for delivery or settled waits for nothing. */
function waitReasons(
  { state, rule, dueAt, attempts, recipients }: QueueDelivery,
  { now, wait = {} }: DeliveryPaper,
): readonly string[] {
  if (state === 'held')
    return [
      rule === undefined ? 'it is held: hermetic queue release' : `rule ${rule} holds it: hermetic hold remove ${rule}`,
    ]
  if (state === 'quarantined') return ['it was set aside: hermetic queue release']
  if (state !== 'queued') return []
  const { limit, suspended, resting, phase } = wait
  const limited = limit === undefined ? undefined : waitWords(limit)
  const silent = recipients.some(({ lastOutcome: last }) => {
    return last !== undefined && last.kind !== 'delivered' && last.problem.remembered === true
  })
  return [
    ...(phase === undefined ? [] : [`this relay is ${phase}: hermetic drain`]),
    ...(suspended === undefined
      ? []
      : [
          `its route is suspended: the login is refused (${suspended.said}), tried again at ${isoTime(suspended.until)}`,
        ]),
    ...(resting === undefined
      ? []
      : [
          `nobody could be talked to there (${explainProblem(resting.problem)}), tried again at ${isoTime(resting.until)}`,
        ]),
    ...(limited === undefined ? [] : [limited]),
    ...(silent ? ['its hosts were silent to other mail a moment ago, and were not dialled again'] : []),
    ...(dueAt > now ? [attempts === 0 ? 'its time has not come' : 'the last attempt failed'] : []),
  ]
}

function recipientText(recipient: QueueRecipient): string {
  const way = recipient.via === undefined ? '' : `, by an order through ${recipient.via}`
  const head = `  ${foreignText(formatAddress(recipient.address))}: ${recipient.state}${way}\n`
  const { lastOutcome } = recipient
  if (lastOutcome === undefined) return head
  if (lastOutcome.kind === 'delivered') {
    return `${head}    ${lastOutcome.remote.mxHostname} [${lastOutcome.remote.address}] said: ${foreignText(formatReply(lastOutcome.reply))}\n`
  }
  return `${head}    ${lastOutcome.kind} ${isoTime(lastOutcome.problem.at)}: ${foreignText(explainProblem(lastOutcome.problem))}\n`
}

/** Totals, then how many wait for each name, by age; a number stands under the age that it has not reached. */
export function summaryText(summary: QueueSummary, shape: QueueShape, { now, width }: Paper): string {
  const { messages, recipientsOpen, held, heldByRules, quarantined, bytes, oldestReceivedAt } = summary
  const oldest = oldestReceivedAt === undefined ? '' : `, the oldest ${formatAge(now - oldestReceivedAt)} old`
  const ruled = heldByRules === 0 ? '' : ` (${heldByRules} by rules)`
  const head = `${counted(messages, 'message')} (${formatBytes(bytes)}) for ${counted(recipientsOpen, 'recipient')}${oldest}; ${held} held${ruled}, ${quarantined} quarantined\n`
  if (shape.rows.length === 0) return head
  const ages = [...shape.ages.map((age) => `<${age / 60_000}m`), 'OLDER']
  const columns = [
    { title: shape.by.toUpperCase() },
    { title: 'OLDEST', align: 'right' },
    { title: 'ALL', align: 'right' },
    ...ages.map((title) => ({ title, align: 'right' }) as const),
  ] as const
  const rows = shape.rows.map(({ name, counts, oldestReceivedAt: from }) => [
    ...[foreignText(name === '' ? NAMELESS[shape.by] : name), formatAge(now - from)],
    ...numbers(counts),
  ])
  const { names, counts } = shape.others
  if (names > 0) rows.push([`and ${names} more`, '', ...numbers(counts)])
  return `${head}\n${formatTable(columns, rows, width)}`
}

const NAMELESS = { lane: '-', domain: '-', sender: '<>', tag: '-' } as const

/** The sum, then each; nothing for none, so that those that are there are seen. */
function numbers(counts: readonly number[]): readonly string[] {
  return [
    String(counts.reduce((sum, count) => sum + count, 0)),
    ...counts.map((count) => (count === 0 ? '' : String(count))),
  ]
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z')
}
