/**
 * The delivery record of one transaction, made of what was known when it ended. Pure.
 */
import { assertNever, type StsAssessment, type StsFacts } from '@hermetic/policy'
import { replyClass, type SmtpReply } from '../smtp/reply.ts'
import type { RecipientResult, TransactionResult } from '../smtp/transaction.ts'
import { daneRecord } from './dane-record.ts'
import type { AttemptFinished, PolicyRecord, RecipientSummary } from './events.ts'
import type { DeliveryCause } from './outcome.ts'
import { causeOfSession } from './problem.ts'
import type { TransactionRecord } from './transactions.ts'

export function deliveryRecord(record: TransactionRecord, now: number): AttemptFinished {
  const { progress, session, result } = record
  const { claim } = progress
  const { priority } = claim.envelope
  const { target, channel, verdict, results: judged, dane } = session
  const reply = decidingReply(result)
  const cause = causeOf(result)
  return {
    event: 'attempt-finished',
    id: claim.id,
    lane: claim.lane,
    nextHop: target.policyDomain,
    attempt: claim.attempts + 1,
    remote: target.remote,
    channel,
    requirement: target.requirement,
    ...policyField(record.policy, { sts: target.requirement.sts, now }),
    ...(target.dane === undefined ? {} : { dane: daneRecord(target.dane, dane) }),
    verdict,
    results: judged,
    reused: record.reused,
    size: claim.envelope.size,
    ...(priority === undefined ? {} : { priority }),
    recipients: summary(record),
    ...(reply === undefined ? {} : { reply }),
    ...(cause === undefined ? {} : { cause }),
    durationMs: now - record.startedAt,
  }
}

interface Judged {
  /** The policy as it was about the host. */
  readonly sts: StsAssessment | undefined
  readonly now: number
}

/** The policy that counted; absent when MTA-STS was not looked at and no list names the domain. */
export function policyField(policy: StsFacts | undefined, { sts, now }: Judged): { readonly policy?: PolicyRecord } {
  if (sts?.preloaded) return { policy: { kind: 'preload', mode: sts.mode } }
  return policy === undefined ? {} : { policy: policyRecord(policy, now) }
}

function policyRecord(policy: StsFacts, now: number): PolicyRecord {
  switch (policy.kind) {
    case 'policy': {
      const { mode, id, from, fetchedAt } = policy
      return { kind: 'sts', mode, id, from, ageMs: Math.max(0, now - fetchedAt) }
    }
    case 'none':
      return { kind: 'none', because: policy.because.kind }
    case 'unavailable':
      return { kind: 'none', because: policy.kind }
    default:
      return assertNever(policy)
  }
}

function summary({ result, recipients, progress }: TransactionRecord): RecipientSummary {
  const counts = { delivered: 0, deferred: 0, failed: 0, ambiguous: 0 }
  if (result.kind === 'not-sent') return { ...counts, deferred: recipients.length }
  for (const one of result.recipients) {
    const ambiguous = progress.dispositions.get(one.index)?.kind === 'ambiguous'
    counts[ambiguous ? 'ambiguous' : kindOf(one)] += 1
  }
  return counts
}

function kindOf(result: RecipientResult): keyof RecipientSummary {
  switch (result.kind) {
    case 'accepted':
      return 'delivered'
    case 'refused':
      return replyClass(result.reply) === 'permanent' ? 'failed' : 'deferred'
    case 'too-many-recipients':
    case 'unsettled':
      return 'deferred'
    default:
      return assertNever(result)
  }
}

/** An acceptance if there was one, else the first refusal. */
function decidingReply(result: TransactionResult): SmtpReply | undefined {
  if (result.kind === 'not-sent') return undefined
  const answers = result.recipients.filter((one) => one.kind !== 'unsettled')
  const deciding = answers.find(({ kind }) => kind === 'accepted') ?? answers[0]
  return deciding?.reply
}

function causeOf(result: TransactionResult): DeliveryCause | undefined {
  switch (result.kind) {
    case 'broken':
      return causeOfSession(result.failure.problem, result.failure.phase)
    case 'not-sent':
      return result.because
    case 'answered': {
      const refusal = result.recipients.find(({ kind }) => kind === 'refused')
      return refusal?.kind === 'refused' ? { kind: 'reply', phase: refusal.phase, reply: refusal.reply } : undefined
    }
    default:
      return assertNever(result)
  }
}
