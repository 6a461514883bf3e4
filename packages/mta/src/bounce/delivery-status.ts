/**
 * The message/delivery-status part: what machines read about a message (RFC 3464 §2), and message/global-delivery-status,
 * the same where UTF-8 may stand (RFC 6533 §4). Pure.
 *
 * Per-message fields once, then one group for each recipient. Optional fields stand exactly when their fact is
 * known: Original-Envelope-Id iff ENVID, Original-Recipient iff ORCPT (RFC 3461 §6.3), Remote-MTA only when a
 * remote host took part (DSN-12), Will-Retry-Until only while there is a next attempt (DSN-14), `smtp;` diagnostics
 * only for what an SMTP server really said.
 */
import type { DeliveryProblem, RemoteHost } from '../delivery/outcome.ts'
import { formatDateTime } from '../smtp/date-time.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { formatReply, type SmtpReply } from '../smtp/reply.ts'
import { actualCause, explainActual, PEER_TEXT_LIMIT } from './cause-text.ts'
import {
  asciiForm,
  field,
  foldField,
  isAscii,
  printable,
  printableUtf8,
  singleLine,
  utf8Address,
  utf8AddressInAscii,
} from './header-text.ts'
import type { Reported } from './reported.ts'

export interface DeliveryStatusFacts {
  readonly hostname: string
  readonly envid: string | undefined
  /** UTC milliseconds. */
  readonly receivedAt: number
  readonly expiresAt: number
  readonly reported: readonly Reported[]
  /** RFC 6533: UTF-8 may stand in it. */
  readonly international: boolean
}

/** Of all diagnostics together, so that many recipients with much to say still fit. */
const DIAGNOSTICS_BUDGET = 65_536
const SHORTEST_DIAGNOSTIC = 40
/** Above every limit of RFC 3461 §5.4 (ORCPT 500 octets), and a field with it still fits a line. */
const ADDRESS_LIMIT = 900
/** The same of text in which a character may have three octets. */
const UTF8_LIMIT = 300

export function deliveryStatusPart(facts: DeliveryStatusFacts): string {
  const { hostname, envid, receivedAt, reported } = facts
  const perMessage = [
    foldField('Reporting-MTA', `dns; ${printable(hostname, ADDRESS_LIMIT)}`),
    ...(envid === undefined ? [] : [field('Original-Envelope-Id', xtextAsText(envid))]),
    foldField('Arrival-Date', formatDateTime(receivedAt)),
  ]
  const share = Math.floor(DIAGNOSTICS_BUDGET / reported.length)
  const limit = Math.min(PEER_TEXT_LIMIT, Math.max(SHORTEST_DIAGNOSTIC, share))
  return [perMessage.join(''), ...reported.map((one) => recipientFields(one, facts, limit))].join('\r\n')
}

function recipientFields(
  reported: Reported,
  { expiresAt, international }: DeliveryStatusFacts,
  diagnosticLimit: number,
): string {
  const { action, recipient } = reported
  const { orcpt } = recipient
  const { remote, status, at, diagnostic } = machineFacts(reported)
  const text = international
    ? printableUtf8(diagnostic.text, Math.min(diagnosticLimit, UTF8_LIMIT))
    : printable(diagnostic.text, diagnosticLimit)
  return [
    ...(orcpt === undefined ? [] : [field('Original-Recipient', originalRecipient(orcpt, international))]),
    field('Final-Recipient', typedAddress(formatAddress(recipient.address), international)),
    foldField('Action', action),
    foldField('Status', status),
    ...(remote === undefined ? [] : [foldField('Remote-MTA', `dns; ${printable(remote.mxHostname, ADDRESS_LIMIT)}`)]),
    foldField('Diagnostic-Code', `${diagnostic.type}; ${text}`),
    ...(at === undefined ? [] : [foldField('Last-Attempt-Date', formatDateTime(at))]),
    ...(action === 'delayed' ? [foldField('Will-Retry-Until', formatDateTime(expiresAt))] : []),
  ].join('')
}

interface MachineFacts {
  readonly status: string
  readonly remote: RemoteHost | undefined
  readonly at: number | undefined
  readonly diagnostic: { readonly type: 'smtp' | 'x-hermetic'; readonly text: string }
}

function machineFacts(reported: Reported): MachineFacts {
  if (reported.action !== 'relayed') {
    const { problem } = reported
    return {
      status: statusOf(problem, reported.action),
      remote: problem.remote,
      at: problem.at,
      diagnostic: diagnostic(problem),
    }
  }
  const { reply, remote } = reported
  return { status: successStatus(reply), remote, at: undefined, diagnostic: { type: 'smtp', text: formatReply(reply) } }
}

/** RFC 3464 §2.3.4: that mail is delayed is said in class 4, whatever one of several hosts has said. */
function statusOf({ status }: DeliveryProblem, action: 'failed' | 'delayed'): string {
  return action === 'delayed' ? `4${status.slice(1)}` : status
}

function successStatus({ enhancedStatus }: SmtpReply): string {
  return enhancedStatus?.startsWith('2.') === true ? enhancedStatus : '2.0.0'
}

/** RFC 3464 §2.3.2, and RFC 6533 §3 for addresses with UTF-8. */
function typedAddress(address: string, international: boolean): string {
  if (isAscii(address)) return `rfc822; ${singleLine(address).slice(0, ADDRESS_LIMIT)}`
  if (!international) return `utf-8; ${utf8AddressInAscii(address).slice(0, ADDRESS_LIMIT)}`
  return `utf-8; ${utf8Address(address).slice(0, UTF8_LIMIT).toWellFormed()}`
}

/** `addr-type;xtext` as received; RFC 3461 §4.2: shown as it was before the xtext encoding. */
function originalRecipient(orcpt: string, international: boolean): string {
  const at = orcpt.indexOf(';')
  if (at === -1) return `rfc822; ${xtextAsText(orcpt)}`
  const [type, address] = [orcpt.slice(0, at), orcpt.slice(at + 1)]
  if (type.toLowerCase() === 'utf-8') return `utf-8; ${utf8Original(address, international)}`
  return `${printable(type, ADDRESS_LIMIT)}; ${xtextAsText(address)}`
}

/** RFC 6533 §3: its own escapes stay as they are; they are text of a client all the same. */
function utf8Original(address: string, international: boolean): string {
  const line = singleLine(address)
  if (isAscii(line) || !international) return printable(asciiForm(line), ADDRESS_LIMIT)
  return printableUtf8(line, UTF8_LIMIT)
}

/** RFC 3461 §4: what xtext stands for must be printable ASCII; when it is not, the xtext itself is shown. */
function xtextAsText(xtext: string): string {
  const decoded = xtext.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  if (/^[\x20-\x7e]*[!-~]$/.test(decoded)) return decoded.slice(0, ADDRESS_LIMIT)
  return isAscii(xtext) ? printable(xtext, ADDRESS_LIMIT) : utf8AddressInAscii(xtext).slice(0, ADDRESS_LIMIT)
}

/** RFC 3464 §2.3.6: type `smtp` only for a reply; what we found out ourselves has a type of our own. */
function diagnostic(problem: DeliveryProblem): MachineFacts['diagnostic'] {
  const cause = actualCause(problem.cause)
  if (cause.kind === 'reply') return { type: 'smtp', text: formatReply(cause.reply) }
  return { type: 'x-hermetic', text: `${cause.kind}: ${explainActual(problem).what}` }
}
