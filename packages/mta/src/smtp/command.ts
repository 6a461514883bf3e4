/**
 * MAIL and RCPT as lines (RFC 5321 §4.1.1.2–3, RFC 1870, 6152, 6531, 8689, 3461). Pure.
 *
 * Only parameters of extensions that the peer offered are written (SMTP-07); DSN parameters byte for byte as they
 * were received. Whether the peer can take the message at all is decided in `prepared-transaction.ts`.
 */
import { invariant } from '@hermetic/policy'
import type { Capabilities } from './capabilities.ts'
import type { Recipient } from './envelope.ts'
import { formatAddress, formatReversePath } from './mail-address.ts'
import type { Transaction } from './transaction.ts'

/** What the MAIL command will say, known before the first RCPT is rendered. */
export interface MailParameters {
  /** Octets of the content as sent, without stuffed dots (RFC 1870 §5). */
  readonly size: number
  readonly smtpUtf8: boolean
  /** This side has logged in on this connection. */
  readonly authenticated?: boolean
}

export function mailCommand(
  envelope: Transaction['envelope'],
  offered: Capabilities,
  parameters: MailParameters,
): string {
  const { ret, envid } = envelope.dsn
  return commandLine(`MAIL FROM:<${formatReversePath(envelope.reversePath)}>`, [
    offered.size !== undefined && `SIZE=${parameters.size}`,
    offered.eightBitMime && envelope.body === '8bitmime' && 'BODY=8BITMIME',
    parameters.smtpUtf8 && 'SMTPUTF8',
    envelope.requireTls && 'REQUIRETLS',
    // RFC 6710 §4: what the message has here goes on to whoever knows priorities; 0 is what is said by nothing.
    offered.priority && (envelope.priority ?? 0) !== 0 && `MT-PRIORITY=${envelope.priority}`,
    // RFC 4954 §5: nobody's word about who submitted a message is passed on, so that it is never more than ours.
    parameters.authenticated === true && offered.authMechanisms.length > 0 && 'AUTH=<>',
    offered.dsn && ret !== undefined && `RET=${ret}`,
    offered.dsn && envid !== undefined && `ENVID=${envid}`,
  ])
}

export function rcptCommand(recipient: Recipient, offered: Capabilities, { smtpUtf8 }: MailParameters): string {
  const { notify, orcpt } = recipient
  return commandLine(`RCPT TO:<${formatAddress(recipient.address)}>`, [
    offered.dsn && notify !== undefined && notify.length > 0 && `NOTIFY=${notify.join(',')}`,
    offered.dsn && orcpt !== undefined && `ORCPT=${smtpUtf8 ? orcpt : asciiOrcpt(orcpt)}`,
  ])
}

/** EHLO or HELO; the name is our FQDN in A-labels or an address literal (RFC 5321 §4.1.4, EAI-04). */
export function helloCommand(verb: 'EHLO' | 'HELO', name: string): string {
  invariant(HELLO_NAME.test(name), `a name for ${verb}`)
  return `${verb} ${name}\r\n`
}

const HELLO_NAME = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Za-z.:]+\])$/
const CONTROL = /\p{Cc}/u
const NON_ASCII = /\P{ASCII}/u
const EACH_NON_ASCII = /\P{ASCII}/gu

/** RFC 6533 §3: without SMTPUTF8 the utf-8 address type travels in its ASCII form (EAI-09). */
function asciiOrcpt(orcpt: string): string {
  return orcpt.replace(
    EACH_NON_ASCII,
    (character) => `\\x{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
  )
}

/**
 * The one place where an envelope becomes a line. A CR or LF in any of it would be a second command (SMTP-20), so
 * it cannot get past here, whatever is in the queue.
 */
function commandLine(command: string, parameters: readonly (string | false)[]): string {
  const line = [command, ...parameters.filter((parameter) => parameter !== false)].join(' ')
  invariant(!CONTROL.test(line), 'an envelope without control characters')
  return `${line}\r\n`
}

/** RFC 6531 §3.2: an address with UTF-8 in its local part cannot be said without SMTPUTF8. */
export function needsSmtpUtf8({ envelope, recipients }: Pick<Transaction, 'envelope' | 'recipients'>): boolean {
  return (
    envelope.smtpUtf8 ||
    NON_ASCII.test(formatReversePath(envelope.reversePath)) ||
    recipients.some(({ address }) => NON_ASCII.test(address.localPart))
  )
}
