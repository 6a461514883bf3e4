/**
 * The message/delivery-status part: what machines read about a failed delivery (RFC 3464 §2). Pure.
 *
 * Per-message fields once, then one group for each recipient. Optional fields stand exactly when their fact is
 * known: Original-Envelope-Id iff ENVID, Original-Recipient iff ORCPT (RFC 3461 §6.3), Remote-MTA only when a
 * remote host took part (DSN-12), `smtp;` diagnostics only for what an SMTP server really said.
 */
import type { DeliveryProblem } from '../delivery/outcome.ts'
import { formatDateTime } from '../smtp/date-time.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { formatReply } from '../smtp/reply.ts'
import { actualCause, explainActual, PEER_TEXT_LIMIT } from './cause-text.ts'
import type { FailedRecipient } from './dsn-decision.ts'
import { field, foldField, isAscii, printable, singleLine, utf8AddressInAscii } from './header-text.ts'

export interface DeliveryStatusFacts {
  readonly hostname: string
  readonly envid: string | undefined
  /** UTC milliseconds. */
  readonly receivedAt: number
  readonly failed: readonly FailedRecipient[]
}

/** Of all diagnostics together, so that many recipients with much to say still fit. */
const DIAGNOSTICS_BUDGET = 65_536
const SHORTEST_DIAGNOSTIC = 40
/** Above every limit of RFC 3461 §5.4 (ORCPT 500 octets), and a field with it still fits a line. */
const ADDRESS_LIMIT = 900

export function deliveryStatusPart({ hostname, envid, receivedAt, failed }: DeliveryStatusFacts): string {
  const perMessage = [
    foldField('Reporting-MTA', `dns; ${printable(hostname, ADDRESS_LIMIT)}`),
    ...(envid === undefined ? [] : [field('Original-Envelope-Id', xtextAsText(envid))]),
    foldField('Arrival-Date', formatDateTime(receivedAt)),
  ]
  const share = Math.floor(DIAGNOSTICS_BUDGET / failed.length)
  const limit = Math.min(PEER_TEXT_LIMIT, Math.max(SHORTEST_DIAGNOSTIC, share))
  return [perMessage.join(''), ...failed.map((one) => recipientFields(one, limit))].join('\r\n')
}

function recipientFields({ recipient, problem }: FailedRecipient, diagnosticLimit: number): string {
  const { orcpt } = recipient
  const { remote } = problem
  return [
    ...(orcpt === undefined ? [] : [field('Original-Recipient', originalRecipient(orcpt))]),
    field('Final-Recipient', typedAddress(formatAddress(recipient.address))),
    foldField('Action', 'failed'),
    foldField('Status', problem.status),
    ...(remote === undefined ? [] : [foldField('Remote-MTA', `dns; ${printable(remote.mxHostname, ADDRESS_LIMIT)}`)]),
    foldField('Diagnostic-Code', diagnostic(problem, diagnosticLimit)),
    foldField('Last-Attempt-Date', formatDateTime(problem.at)),
  ].join('')
}

/** RFC 3464 §2.3.2, and RFC 6533 §3 for addresses with UTF-8. */
function typedAddress(address: string): string {
  if (!isAscii(address)) return `utf-8; ${utf8AddressInAscii(address).slice(0, ADDRESS_LIMIT)}`
  return `rfc822; ${singleLine(address).slice(0, ADDRESS_LIMIT)}`
}

/** `addr-type;xtext` as received; RFC 3461 §4.2: shown as it was before the xtext encoding. */
function originalRecipient(orcpt: string): string {
  const at = orcpt.indexOf(';')
  if (at === -1) return `rfc822; ${xtextAsText(orcpt)}`
  return `${printable(orcpt.slice(0, at), ADDRESS_LIMIT)}; ${xtextAsText(orcpt.slice(at + 1))}`
}

/** RFC 3461 §4: what xtext stands for must be printable ASCII; when it is not, the xtext itself is shown. */
function xtextAsText(xtext: string): string {
  const decoded = xtext.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  if (/^[\x20-\x7e]*[!-~]$/.test(decoded)) return decoded.slice(0, ADDRESS_LIMIT)
  return isAscii(xtext) ? printable(xtext, ADDRESS_LIMIT) : utf8AddressInAscii(xtext).slice(0, ADDRESS_LIMIT)
}

/** RFC 3464 §2.3.6: type `smtp` only for a reply; what we found out ourselves has a type of our own. */
function diagnostic(problem: DeliveryProblem, limit: number): string {
  const cause = actualCause(problem.cause)
  if (cause.kind === 'reply') return `smtp; ${printable(formatReply(cause.reply), limit)}`
  return `x-hermetic; ${printable(`${cause.kind}: ${explainActual(problem).what}`, limit)}`
}
