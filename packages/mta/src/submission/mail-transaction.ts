/**
 * One mail transaction from MAIL to DATA: RFC 5321 §3.3, §4.1.1.2–3. Decides about addresses, sizes, sender rights
 * and the number of recipients; knows no session, no content and no sockets.
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { DsnEnvelope, Recipient } from '../smtp/envelope.ts'
import {
  formatAddress,
  formatDomain,
  type MailAddress,
  nullReversePath,
  type ReversePath,
} from '../smtp/mail-address.ts'
import type { SpoolHealth } from '../spool/spool.ts'
import type { Account } from './account.ts'
import type { ParsedPath } from './address.ts'
import { type OfferedParameters, parseMailCommand, parseRcptCommand } from './envelope-command.ts'
import { type GrantedPriority, grantedPriority, NETWORK_PRIORITY } from './priority.ts'
import { commandRefusal, type Reply, replies } from './replies.ts'
import { maySendAs } from './sender-rights.ts'

export interface MailTransaction {
  readonly reversePath: ReversePath
  /** The client gave the parameter; whether the message needs it is seen from the message. */
  readonly smtpUtf8: boolean
  /** RFC 8689 §2: the client gave the parameter. */
  readonly requireTls: boolean
  readonly dsn: DsnEnvelope
  readonly priority: GrantedPriority
  /** By their canonical text: `b@` and `B@` are two, quoted and unquoted forms of one are one (RFC 5321 §2.4). */
  readonly recipients: Map<string, Recipient>
}

export interface TransactionRules {
  readonly offered: OfferedParameters
  readonly account: Account | undefined
  readonly intake: SpoolHealth['intake']
  readonly messageBytesMax: number
  readonly recipientsMax: number
  readonly hostname: string
  /** Where mail for `postmaster` and `postmaster@hostname` goes (RFC 5321 §4.5.1). */
  readonly postmaster: MailAddress
}

export function openTransaction(line: string, rules: TransactionRules): Result<MailTransaction, Reply> {
  if (rules.intake !== 'open') return err(rules.intake === 'full' ? replies.intakeFull : replies.intakeFailing)
  const command = parseMailCommand(line, rules.offered)
  if (!command.ok) return err(commandRefusal(command.error, 'reverse'))
  const { path, smtpUtf8, requireTls, size, dsn, priority: asked } = command.value
  if (path.kind === 'postmaster') {
    return err(commandRefusal({ kind: 'address', problem: 'unqualified-domain' }, 'reverse'))
  }
  // RFC 1870 §4: a message that is declared too large is refused before it is sent.
  if (size !== undefined && size > rules.messageBytesMax) return err(replies.tooLarge)
  const rights = rules.account?.senderRights
  if (path.kind === 'address' && rights !== undefined && !maySendAs(path.address, rights)) {
    return err(replies.senderNotAllowed)
  }
  const reversePath = path.kind === 'null' ? nullReversePath : path.address
  const priority = grantedPriority(asked, rules.account?.priority ?? NETWORK_PRIORITY)
  return ok({ reversePath, smtpUtf8, requireTls, dsn, priority, recipients: new Map() })
}

/** Who was named, or why that is refused. */
export function readRecipient(
  transaction: MailTransaction,
  line: string,
  rules: TransactionRules,
): Result<Omit<Recipient, 'index'>, Reply> {
  const command = parseRcptCommand(line, rules.offered, { utf8: transaction.smtpUtf8 })
  if (!command.ok) return err(commandRefusal(command.error, 'forward'))
  const { path, notify, orcpt } = command.value
  const address = recipientAddress(path, rules)
  if (address === undefined) return err(commandRefusal({ kind: 'syntax' }, 'forward'))
  return ok({
    address,
    ...(notify === undefined ? {} : { notify }),
    ...(orcpt === undefined ? {} : { orcpt }),
  })
}

/** Adds the recipient when the reply is positive. */
export function addRecipient(
  transaction: MailTransaction,
  recipient: Omit<Recipient, 'index'>,
  { recipientsMax }: Pick<TransactionRules, 'recipientsMax'>,
): Reply {
  const key = formatAddress(recipient.address)
  // A repetition is one recipient; its first parameters stand.
  if (transaction.recipients.has(key)) return replies.recipientOk
  const index = transaction.recipients.size
  // RFC 5321 §4.5.3.1.10: 452, so that the client sends the rest in another transaction.
  if (index >= recipientsMax) return replies.tooManyRecipients
  transaction.recipients.set(key, { index, ...recipient })
  return replies.recipientOk
}

/** The envelope alone makes SMTPUTF8 necessary (RFC 6531 §3.4); domains are A-labels already. */
export function needsUtf8(transaction: MailTransaction): boolean {
  const { reversePath } = transaction
  if (reversePath !== nullReversePath && !isAsciiText(reversePath.localPart)) return true
  return [...transaction.recipients.values()].some(({ address }) => !isAsciiText(address.localPart))
}

function recipientAddress(path: ParsedPath, rules: TransactionRules): MailAddress | undefined {
  if (path.kind === 'postmaster') return rules.postmaster
  if (path.kind === 'null') return undefined
  const { localPart, domain } = path.address
  const ours = formatDomain(domain) === rules.hostname.toLowerCase()
  return ours && localPart.toLowerCase() === 'postmaster' ? rules.postmaster : path.address
}

function isAsciiText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII
  return /^[\x00-\x7f]*$/.test(text)
}
