/**
 * From DATA to the reply to the final dot: content into the spool's sink, then `accept`. 250 is said only after
 * the spool answered `accepted`, that is after a commit that a power cut cannot undo (RFC 5321 §6.1, SMTP-52).
 */
import { assertNever } from '@hermetic/policy'
import type { BeginSignature, SigningOutcome } from '../signing/dkim.ts'
import type { Envelope, Origin, Recipient } from '../smtp/envelope.ts'
import { formatAddress, type MailAddress, nullReversePath } from '../smtp/mail-address.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { AcceptOutcome, ContentSink, NewContent } from '../spool/spool.ts'
import type { Account } from './account.ts'
import { boundedSink } from './bounded-sink.ts'
import { type ContentOutcome, type ContentProfile, ContentReceiver } from './content-receiver.ts'
import type { SubmissionLimits } from './limits.ts'
import { type MailTransaction, needsUtf8 } from './mail-transaction.ts'
import type { HeaderFacts } from './message-hygiene.ts'
import { type MessageTag, messageTag } from './message-tag.ts'
import { contentRefusal, queuedReply, type Reply, replies, reprioritisedReply } from './replies.ts'
import { maySendAs, type SenderRight } from './sender-rights.ts'
import { receivedField, type TraceFacts } from './trace.ts'

/** A message that passed every check and whose content is where the spool finds it. */
export interface ReceivedMessage {
  readonly id: QueueId
  readonly envelope: Envelope
  readonly recipients: readonly Recipient[]
  readonly content: NewContent
  /** UTC milliseconds. */
  readonly receivedAt: number
  readonly messageIdHeader?: string
}

export type AcceptMessage = (message: ReceivedMessage) => Promise<AcceptOutcome>

export interface IncomingOptions {
  readonly id: QueueId
  readonly role: 'submission' | 'relay'
  readonly repairLineEnds: boolean
  readonly encodeEightBit: boolean
  readonly transaction: MailTransaction
  readonly origin: Origin
  /** RFC 8689 §8.3. */
  readonly mayRelaxTls: (addresses: readonly MailAddress[]) => boolean
  readonly trace: Omit<TraceFacts, 'id' | 'receivedAt' | 'forwardPath' | 'smtpUtf8'>
  readonly limits: Pick<SubmissionLimits, 'messageBytesMax' | 'headerBytesMax' | 'receivedFieldsMax' | 'stagingStepMs'>
  readonly receivedAt: number
  /** Undefined: nothing is signed. */
  readonly beginSignature: BeginSignature | undefined
  /** Undefined: the client is known by its network only. */
  readonly account: Account | undefined
}

export type IncomingEnd =
  | {
      readonly kind: 'accepted'
      readonly reply: Reply
      readonly message: ReceivedMessage
      readonly tag: MessageTag
      readonly spoolMs: number
      readonly dkim?: SigningOutcome
    }
  | { readonly kind: 'refused'; readonly reply: Reply; readonly reason: string }
  | { readonly kind: 'not-signed'; readonly error: unknown }

export class IncomingMessage {
  readonly #options: IncomingOptions
  readonly #receiver: ContentReceiver
  readonly id: QueueId

  constructor(options: IncomingOptions, sink: ContentSink) {
    const { id, role, repairLineEnds, encodeEightBit, transaction, trace, limits, receivedAt } = options
    const recipients = [...transaction.recipients.values()]
    const [only] = recipients
    const forwardPath = only !== undefined && recipients.length === 1 ? formatAddress(only.address) : undefined
    this.id = id
    this.#options = options
    this.#receiver = new ContentReceiver(
      {
        hygiene: {
          role,
          reversePath: transaction.reversePath,
          hostname: trace.hostname,
          id,
          receivedFieldsMax: limits.receivedFieldsMax,
          mayAuthor: authorCheck(options.account?.authorRights),
          receivedAt,
        },
        trace: receivedField({
          ...trace,
          id,
          receivedAt,
          smtpUtf8: transaction.smtpUtf8,
          ...(forwardPath === undefined ? {} : { forwardPath }),
        }),
        repairLineEnds,
        encodeEightBit,
        messageBytesMax: limits.messageBytesMax,
        headerBytesMax: limits.headerBytesMax,
        ...signingOf(options),
      },
      boundedSink(sink, limits.stagingStepMs),
    )
  }

  write(slice: Buffer): void | Promise<void> {
    return this.#receiver.write(slice)
  }

  /** After the final dot: the reply is the only thing that is left to do. */
  async finish(accept: AcceptMessage, now: () => number): Promise<IncomingEnd> {
    const outcome = await this.#receiver.finish()
    if (outcome.kind === 'refused') {
      return { kind: 'refused', reply: contentRefusal(outcome.problem), reason: outcome.problem }
    }
    if (outcome.kind === 'not-signed') return outcome
    const tag = this.#tag(outcome.facts)
    const message = this.#message(outcome, tag)
    const startedAt = now()
    const answer = await accept(message)
    switch (answer.kind) {
      case 'accepted':
      case 'already-done':
        return {
          ...{ kind: 'accepted', reply: this.#queued(), message, tag, spoolMs: now() - startedAt },
          ...(outcome.dkim === undefined ? {} : { dkim: outcome.dkim }),
        }
      case 'full':
        return { kind: 'refused', reply: replies.intakeFull, reason: 'queue-full' }
      case 'unavailable':
        return { kind: 'refused', reply: replies.notStored, reason: 'queue-unavailable' }
      default:
        return assertNever(answer)
    }
  }

  abort(): Promise<void> {
    return this.#receiver.abort()
  }

  #queued(): Reply {
    const { changed, value } = this.#options.transaction.priority
    return changed ? reprioritisedReply(this.id, value) : queuedReply(this.id)
  }

  /** Absent where they say nothing, so that most envelopes stay short. */
  #marks({ tag: field }: HeaderFacts): Pick<Envelope, 'priority' | 'tag'> {
    const { transaction, account, role } = this.#options
    const { value } = transaction.priority
    const tag = role === 'submission' && field.kind === 'tag' ? field.tag : account?.tag
    return { ...(value === 0 ? {} : { priority: value }), ...(tag === undefined ? {} : { tag }) }
  }

  #tag({ tlsRequired }: HeaderFacts): MessageTag {
    const { transaction, mayRelaxTls } = this.#options
    const { reversePath, recipients, requireTls } = transaction
    const addresses = [...recipients.values()].map(({ address }) => address)
    return messageTag({
      parameter: requireTls,
      field: tlsRequired,
      allowed: () => mayRelaxTls(reversePath === nullReversePath ? addresses : [reversePath, ...addresses]),
    })
  }

  #message(outcome: Extract<ContentOutcome, { kind: 'complete' }>, { tls }: MessageTag): ReceivedMessage {
    const { id, transaction, origin, receivedAt } = this.#options
    const { facts, eightBitBody, content, size } = outcome
    const utf8Envelope = needsUtf8(transaction)
    const envelope: Envelope = {
      reversePath: transaction.reversePath,
      // Our trace field, or a Sender that we added, may name an address of the envelope.
      body: eightBitBody || facts.nonAscii || utf8Envelope ? '8bitmime' : '7bit',
      // RFC 6531 §3.4 and EAI-02: what needs it, not what the client said. UTF-8 may also stand in the header of a
      // part (RFC 6532 §3), where only the client can know it.
      smtpUtf8: utf8Envelope || facts.nonAscii || (transaction.smtpUtf8 && eightBitBody && facts.nestsHeaders),
      tls,
      dsn: transaction.dsn,
      size,
      origin,
      ...this.#marks(facts),
    }
    return {
      id,
      envelope,
      recipients: [...transaction.recipients.values()],
      content,
      receivedAt,
      ...(facts.messageId === undefined ? {} : { messageIdHeader: facts.messageId }),
    }
  }
}

/** RFC 5321 §6.4: a relay listener changes no message. */
function signingOf({ role, receivedAt, beginSignature, account }: IncomingOptions): Pick<ContentProfile, 'signing'> {
  if (role === 'relay' || beginSignature === undefined) return {}
  const mayAuthor = authorCheck(account?.senderRights) ?? (() => true)
  const fallback = account?.dkimDomain === undefined ? {} : { fallbackDomain: account.dkimDomain }
  return { signing: { begin: beginSignature, facts: { signedAt: receivedAt, mayAuthor, ...fallback } } }
}

function authorCheck(rights: readonly SenderRight[] | undefined): ((author: MailAddress) => boolean) | undefined {
  return rights === undefined ? undefined : (author) => maySendAs(author, rights)
}
