/**
 * The delivery record: one flat line for each transaction, in the words of the RFCs, so that one search for a
 * queue id tells where a message went, over what channel, and why. Pure.
 */
import { assertNever, type ProofRequirement, type SessionResult, type Verdict } from '@hermetic/policy'
import type { CertificateRecord, JudgedChannelRecord } from '../delivery/channel-record.ts'
import type { DaneRecord } from '../delivery/dane-record.ts'
import type { AttemptFinished, PolicyRecord, RecipientSummary } from '../delivery/events.ts'
import type { DeliveryCause, DeliveryProblem } from '../delivery/outcome.ts'
import { saidOf } from '../smtp/auth.ts'
import { formatReply } from '../smtp/reply.ts'

/** What became of the transaction as a whole. */
export type AttemptResult = 'delivered' | 'partly-delivered' | 'deferred' | 'failed' | 'ambiguous'

export interface DeliveryRecord extends AttemptWords, SessionWords {
  readonly id: string
}

/** What is told of the transaction itself. */
export interface AttemptWords extends PolicyWords {
  readonly result: AttemptResult
  readonly lane: string
  readonly nextHop: string
  readonly attempt: number
  readonly mxHostname: string
  readonly address: string
  readonly port: number
  readonly reused: number
  readonly size: number
  readonly priority?: number
  readonly recipients: RecipientSummary
  readonly reply?: string
  readonly cause?: string
  readonly durationMs: number
}

/** The policy of the domain. */
export interface PolicyWords {
  /** `enforce`, `testing`, or why there is none; absent when MTA-STS was not looked at. */
  readonly stsPolicy?: string
  readonly stsId?: string
  readonly stsFrom?: string
  readonly stsAgeSeconds?: number
}

/** What was demanded of one session, and what it showed: the same for all transactions on it. */
export interface SessionWords {
  readonly tls: string
  readonly tlsRequirement: string
  /** What the sender wants, where the host was judged by that (RFC 8689). */
  readonly messageTls?: string
  readonly tlsVerdict: string
  /** As a report would say it (RFC 8460 §4.3), for each policy that applied; empty when nothing is to be said. */
  readonly tlsResult: string
  /** Policies that were found and that an operator has waived. */
  readonly tlsWaived?: string
  /** Why the session would have been refused, had policies not only been observed. */
  readonly tlsWouldRefuse?: string
  /** `2 of 3 usable` of the TLSA records, `insecure MX` with them, or why there are none. */
  readonly dane?: string
  readonly daneOwner?: string
  /** The TLSA record that means the peer. */
  readonly daneMatched?: string
  /** The pattern that names the host, or `none`. */
  readonly stsMatched?: string
  readonly certFingerprint?: string
  readonly certSubject?: string
  readonly certIssuer?: string
  readonly certNotAfter?: string
  readonly certNames?: string
}

/** What was judged of one session. */
export interface SessionFacts {
  readonly channel: JudgedChannelRecord
  readonly requirement: ProofRequirement
  readonly verdict: Verdict
  readonly results: readonly SessionResult[]
  readonly dane?: DaneRecord
}

export function deliveryRecord(attempt: AttemptFinished): DeliveryRecord {
  return { id: attempt.id, ...attemptWords(attempt), ...sessionWords(attempt) }
}

export function attemptWords(attempt: AttemptFinished): AttemptWords {
  const { reply, cause, remote } = attempt
  return {
    result: attemptResult(attempt.recipients),
    lane: attempt.lane,
    nextHop: attempt.nextHop,
    attempt: attempt.attempt,
    mxHostname: remote.mxHostname,
    address: remote.address,
    port: remote.port,
    ...policyWords(attempt.policy),
    reused: attempt.reused,
    size: attempt.size,
    ...(attempt.priority === undefined ? {} : { priority: attempt.priority }),
    recipients: attempt.recipients,
    ...(reply === undefined ? {} : { reply: formatReply(reply) }),
    ...(cause === undefined ? {} : { cause: causeWords(cause) }),
    durationMs: attempt.durationMs,
  }
}

/** Anything ambiguous makes the whole ambiguous: that is what an operator must see. */
export function attemptResult({ delivered, deferred, failed, ambiguous }: RecipientSummary): AttemptResult {
  if (ambiguous > 0) return 'ambiguous'
  if (delivered > 0) return deferred + failed > 0 ? 'partly-delivered' : 'delivered'
  return failed > 0 && deferred === 0 ? 'failed' : 'deferred'
}

interface KnownWords {
  readonly requirement: ProofRequirement
  readonly verdict: Verdict
  readonly words: SessionWords
}

/** A channel belongs to one session, and a session may carry a hundred transactions. */
const wordsOfSession = new WeakMap<JudgedChannelRecord, KnownWords>()

export function sessionWords(facts: SessionFacts): SessionWords {
  const known = wordsOfSession.get(facts.channel)
  if (known?.requirement === facts.requirement && known.verdict === facts.verdict) return known.words
  const { channel, requirement, verdict, results, dane } = facts
  const words = {
    tls: channelWords(channel),
    tlsRequirement: requirementWords(requirement),
    ...(requirement.message === undefined ? {} : { messageTls: requirement.message }),
    tlsVerdict: verdictWords(verdict),
    tlsResult: results.map(resultWords).join('; '),
    ...(dane === undefined ? {} : daneWords(dane)),
    ...(requirement.waived === undefined ? {} : { tlsWaived: requirement.waived.join(', ') }),
    ...refusedWords(verdict),
    ...(requirement.sts === undefined ? {} : { stsMatched: requirement.sts.matched ?? 'none' }),
    ...(channel.kind === 'tls' ? certificateWords(channel.certificate) : {}),
  }
  wordsOfSession.set(channel, { requirement, verdict, words })
  return words
}

function certificateWords({ fingerprintSha256, subject, issuer, notAfter, names }: CertificateRecord) {
  return {
    certFingerprint: fingerprintSha256,
    certSubject: oneLine(subject),
    certIssuer: oneLine(issuer),
    certNotAfter: isoTime(notAfter),
    certNames: names,
  }
}

/** OpenSSL gives a distinguished name line by line. */
function oneLine(name: string): string {
  return name.split('\n').join(', ')
}

/** A certificate may carry any date. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString()
}

/** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or why there is none. */
function channelWords(channel: JudgedChannelRecord): string {
  switch (channel.kind) {
    case 'clear':
      return `none (${channel.because})`
    case 'tls':
      return `${channel.protocol} ${channel.cipher}`
    default:
      return assertNever(channel)
  }
}

function requirementWords({ pkix, floor, tlsa }: ProofRequirement): string {
  const proofs = [...(tlsa ? ['dane'] : []), ...(pkix ? ['pkix'] : [])]
  return proofs.length === 0 ? floor : proofs.join('+')
}

function refusedWords(verdict: Verdict): Pick<SessionWords, 'tlsWouldRefuse'> {
  if (verdict.kind !== 'proven' || verdict.wouldHaveRefused === undefined) return {}
  return { tlsWouldRefuse: verdict.wouldHaveRefused.map(({ kind }) => kind).join(', ') }
}

export function daneWords(dane: DaneRecord): Pick<SessionWords, 'dane' | 'daneOwner' | 'daneMatched'> {
  switch (dane.kind) {
    case 'none':
      return { dane: `none: ${dane.because}` }
    case 'failure':
      return { dane: `failure: ${dane.lookup} of ${dane.name}: ${dane.detail}` }
    case 'tlsa': {
      const { owner, mxSecure, published, usable, matched } = dane
      const words = `${usable} of ${published} usable${mxSecure ? '' : ', insecure MX'}`
      return { dane: words, daneOwner: owner, ...(matched === undefined ? {} : { daneMatched: matched }) }
    }
    default:
      return assertNever(dane)
  }
}

function verdictWords(verdict: Verdict): string {
  if (verdict.kind === 'proven') return verdict.level
  return `failed: ${verdict.reasons.map(({ kind }) => kind).join(', ')}`
}

export function policyWords(policy: PolicyRecord | undefined): PolicyWords {
  if (policy === undefined) return {}
  if (policy.kind === 'none') return { stsPolicy: `none: ${policy.because}` }
  if (policy.kind === 'preload') return { stsPolicy: policy.mode, stsFrom: 'preload' }
  const { mode, id, from, ageMs } = policy
  return { stsPolicy: mode, stsId: id, stsFrom: from, stsAgeSeconds: Math.floor(ageMs / 1000) }
}

/** `sts: success`, `sts: validation-failure (sts-mx-mismatch), certificate-expired`. */
export function resultWords({ policyType, outcome }: SessionResult): string {
  if (outcome.kind === 'success') return `${policyType}: success`
  const details = outcome.details.map(({ resultType, failureReasonCode: code }) =>
    code === undefined ? resultType : `${resultType} (${code})`,
  )
  return `${policyType}: ${details.join(', ')}`
}

/** A problem as fields of a line: what, whose fault, and for how long. */
export function problemWords({
  cause,
  status,
  permanence,
  fault,
  scope,
}: DeliveryProblem): Readonly<Record<string, string>> {
  return { cause: causeWords(cause), status, permanence, fault, scope }
}

/** The cause in one short phrase: its kind, and the fact that tells most. */
export function causeWords(cause: DeliveryCause): string {
  switch (cause.kind) {
    case 'dns-failure':
      return `dns-failure: ${cause.lookup} of ${cause.name}: ${cause.detail}`
    case 'domain-not-found':
    case 'null-mx':
    case 'mail-loop':
      return `${cause.kind}: ${cause.name}`
    case 'no-address':
      return `no-address: ${cause.names.join(', ')}`
    case 'address-refused':
      return `address-refused: ${cause.addresses.join(', ')}`
    case 'connect-failed':
      return `connect-failed: ${cause.code}`
    case 'timeout':
      return `timeout: ${cause.phase}`
    case 'connection-lost':
      return `connection-lost: ${cause.phase}: ${cause.code}`
    case 'protocol-violation':
      return `protocol-violation: ${cause.phase}: ${cause.detail}`
    case 'reply':
      return `reply: ${cause.phase}: ${formatReply(cause.reply)}`
    case 'tls-policy':
      return [
        cause.kind,
        cause.requireTls && 'requiretls',
        cause.mechanism,
        cause.policyDomain,
        cause.mxHostname,
        cause.reason,
      ]
        .filter((word) => word !== undefined)
        .join(': ')
    case 'policy-unavailable':
      return `policy-unavailable: ${cause.policyDomain}: ${cause.because}`
    case 'login-failed':
      return `login-failed: ${cause.username}: ${saidOf(cause.problem)}`
    case 'extension-missing':
      return `extension-missing: ${cause.extension}`
    case 'too-large':
      return `too-large: ${cause.size} of ${cause.limit}`
    case 'expired':
      return cause.last === undefined ? 'expired' : `expired: ${causeWords(cause.last)}`
    case 'content-unreadable':
    case 'internal':
      return `${cause.kind}: ${cause.detail}`
    case 'suppressed':
      return `suppressed: by ${cause.by}${cause.refusal === undefined ? '' : `: ${cause.refusal}`}`
    case 'stopped':
    case 'cancelled':
    case 'hosts-left':
    case 'not-tried':
    case 'route-changed':
      return cause.kind
    default:
      return assertNever(cause)
  }
}
