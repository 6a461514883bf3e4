/**
 * What a peer answered to one transaction so far, and what follows from it (RFC 5321 §3.3, §4.2.5, RFC 2920 §3.1).
 * Pure: the same rules whether the commands went out one by one or as a group.
 */
import type { Recipient } from './envelope.ts'
import type { SmtpPhase } from './phase.ts'
import { replyClass, type SmtpReply } from './reply.ts'
import type { RecipientResult } from './transaction.ts'

export interface TransactionAnswers {
  readonly mail?: SmtpReply
  /** In the order of the recipients. */
  readonly rcpt: readonly SmtpReply[]
  readonly data?: SmtpReply
  /** A refusal that came before the final dot had left. */
  readonly content?: SmtpReply
  readonly finalDot?: SmtpReply
}

export type AfterData =
  | 'content'
  /** Nobody was accepted, yet the peer waits for content: an empty one, which it must refuse (RFC 2920 §3.1). */
  | 'lone-dot'
  | 'refused'
  /** The peer contradicts itself or RFC 5321: nothing safe can follow. */
  | 'violation'

export function isPositive(reply: SmtpReply | undefined): boolean {
  return reply !== undefined && replyClass(reply) === 'positive'
}

export function isIntermediate(reply: SmtpReply): boolean {
  return replyClass(reply) === 'intermediate'
}

export function isRefusal(reply: SmtpReply): boolean {
  return reply.code >= 400
}

/** Content only after 354 itself (SMTP-12), not after any 3yz. */
export function afterData(answers: TransactionAnswers): AfterData {
  const { data } = answers
  if (data === undefined) return 'violation'
  if (isRefusal(data)) return 'refused'
  if (data.code !== 354) return 'violation'
  const accepted = answers.rcpt.some(isPositive)
  // Recipients accepted without a sender: a lone dot could be delivered to them as an empty message.
  if (accepted && !isPositive(answers.mail)) return 'violation'
  return accepted ? 'content' : 'lone-dot'
}

/** RFC 5321 §4.1.4: MAIL was accepted and no content ended it, so that RSET must come before the next MAIL. */
export function leavesTransactionOpen({ mail, finalDot }: TransactionAnswers): boolean {
  return isPositive(mail) && finalDot === undefined
}

/**
 * RFC 5321 §4.5.3.1.10: 452, and 552 in its place, after at least one accepted recipient says "too many", whatever
 * its text says (conformance SMTP-29).
 */
export function saysTooManyRecipients(reply: SmtpReply, acceptedBefore: number): boolean {
  return (reply.code === 452 || reply.code === 552) && acceptedBefore > 0
}

/** One result for each recipient, in their order. */
export function recipientResults(
  recipients: readonly Recipient[],
  answers: TransactionAnswers,
): readonly RecipientResult[] {
  let accepted = 0
  let tooMany: SmtpReply | undefined
  return recipients.map(({ index }, at) => {
    if (answers.mail !== undefined && settles(answers.mail)) {
      return { kind: 'refused', index, phase: 'mail', reply: answers.mail }
    }
    const reply = answers.rcpt[at] ?? tooMany
    if (reply === undefined || reply.code === 421) return { kind: 'unsettled', index }
    if (isPositive(reply)) {
      accepted += 1
      return acceptedResult(index, answers)
    }
    if (saysTooManyRecipients(reply, accepted)) {
      // Without PIPELINING nobody is asked after this answer: it stands for the rest.
      tooMany = reply
      return { kind: 'too-many-recipients', index, reply }
    }
    return { kind: 'refused', index, phase: 'rcpt', reply }
  })
}

/** The fate of a recipient whose RCPT was accepted: that of the message (SMTP-59). */
function acceptedResult(index: number, { data, content, finalDot }: TransactionAnswers): RecipientResult {
  if (finalDot !== undefined) {
    return isPositive(finalDot)
      ? { kind: 'accepted', index, reply: finalDot }
      : { kind: 'refused', index, phase: 'final-dot', reply: finalDot }
  }
  if (content !== undefined && settles(content)) return { kind: 'refused', index, phase: 'content', reply: content }
  if (data !== undefined && settles(data)) return { kind: 'refused', index, phase: 'data', reply: data }
  return { kind: 'unsettled', index }
}

/** 421 is about the session, not about the message: what it leaves open is not refused (SMTP-16). */
function settles(reply: SmtpReply): boolean {
  return isRefusal(reply) && reply.code !== 421
}

/** The first step that has no answer. */
export function openPhase(answers: TransactionAnswers, recipientCount: number): SmtpPhase {
  if (answers.mail === undefined || answers.mail.code === 421) return 'mail'
  if (answers.rcpt.length < recipientCount || answers.rcpt.some(({ code }) => code === 421)) return 'rcpt'
  if (answers.data === undefined || answers.data.code === 421) return 'data'
  return 'content'
}
