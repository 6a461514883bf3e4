/**
 * A transaction made ready for one peer: its command lines and its content as it will travel, or the reason why
 * this peer cannot have it (EXT-02, EXT-06, EAI-03, RFC 8689 §4.2.1). Pure; decided before the first byte is sent.
 */
import { err, invariant, ok, type Result } from '@hermetic/policy'
import type { Content } from '../spool/spool.ts'
import type { Capabilities } from './capabilities.ts'
import { type MailParameters, mailCommand, needsSmtpUtf8, rcptCommand } from './command.ts'
import { DotStuffer, type Framing } from './dot-stuffing.ts'
import type { NotSentReason, Transaction } from './transaction.ts'

export interface PreparedTransaction {
  readonly mail: string
  readonly rcpt: readonly string[]
  readonly content: PreparedContent
}

export interface PreparationOptions {
  /** As `chunk` where BDAT is to be used. */
  readonly framing: Framing
  /** This side has logged in on this connection. */
  readonly authenticated: boolean
}

export type PreparedContent =
  /** Stuffed slices of the spool's own memory, and what ends them. */
  | { readonly kind: 'memory'; readonly slices: readonly Buffer[]; readonly octets: number; readonly end: Buffer }
  /** Stuffed while it is read. */
  | (Extract<Content, { readonly kind: 'file' }> & { readonly framing: Framing })

export function prepareTransaction(
  transaction: Transaction,
  offered: Capabilities,
  { framing, authenticated }: PreparationOptions,
): Result<PreparedTransaction, NotSentReason> {
  const { envelope, recipients } = transaction
  const smtpUtf8 = needsSmtpUtf8(transaction)
  if (smtpUtf8 && !offered.smtpUtf8) return err({ kind: 'extension-missing', extension: 'SMTPUTF8' })
  if (envelope.body === '8bitmime' && !offered.eightBitMime) {
    return err({ kind: 'extension-missing', extension: '8BITMIME' })
  }
  if (envelope.requireTls && !offered.requireTls) return err({ kind: 'extension-missing', extension: 'REQUIRETLS' })
  const content = prepareContent(transaction.content, framing)
  if (!content.ok) return content
  const { size, prepared } = content.value
  const limit = offered.size?.limit
  if (limit !== undefined && size > limit) return err({ kind: 'too-large', size, limit })
  const parameters: MailParameters = { size, smtpUtf8, authenticated }
  return ok({
    mail: mailCommand(envelope, offered, parameters),
    rcpt: recipients.map((recipient) => rcptCommand(recipient, offered, parameters)),
    content: prepared,
  })
}

/** RFC 3030 §2: the same content in the other framing, for a peer whose BDAT is none. */
export function contentOf(content: Content, framing: Framing): PreparedContent {
  const prepared = prepareContent(content, framing)
  invariant(prepared.ok, 'content that was prepared once')
  return prepared.value.prepared
}

function prepareContent(
  content: Content,
  framing: Framing,
): Result<{ readonly prepared: PreparedContent; readonly size: number }, NotSentReason> {
  if (content.kind === 'file') {
    const { size } = content
    return ok({ prepared: { kind: 'file', size, open: () => content.open(), framing }, size })
  }
  const stuffer = new DotStuffer(framing)
  const bytes = Buffer.from(content.bytes.buffer, content.bytes.byteOffset, content.bytes.byteLength)
  const slices = stuffer.push(bytes)
  const end = stuffer.finish()
  if (!slices.ok) return err({ kind: 'content-unreadable', detail: slices.error })
  if (!end.ok) return err({ kind: 'content-unreadable', detail: end.error })
  const octets = slices.value.reduce((sum, slice) => sum + slice.length, 0)
  return ok({
    prepared: { kind: 'memory', slices: slices.value, octets, end: end.value },
    size: bytes.length + stuffer.missingOctets,
  })
}
