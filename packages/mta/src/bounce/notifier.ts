/**
 * Makes notifications: reads what is returned from the spool, composes, signs. What to tell, and when, is decided in
 * `notice-plan.ts`; they are committed by whoever settles.
 */
import type { LaneId } from '../delivery/lane.ts'
import type { RecipientOutcome } from '../delivery/outcome.ts'
import type { SignedMessage, SigningOutcome } from '../signing/dkim.ts'
import type { Envelope } from '../smtp/envelope.ts'
import { type MailAddress, nullReversePath } from '../smtp/mail-address.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { Claim, NewMessage, Spool } from '../spool/spool.ts'
import type { OriginalMessage } from './dsn.ts'
import { notifiedSender } from './dsn-decision.ts'
import { dsnMessage, sevenBitMessage } from './dsn-message.ts'
import type { BounceEvent } from './events.ts'
import { ACTIONS, type Reported } from './reported.ts'
import { originalMessageId, RETURNED_CONTENT_LIMIT } from './returned-content.ts'
import { sevenBitForm } from './seven-bit-form.ts'

/** `signedAt` in UTC milliseconds. */
export type SignNotice = (message: Uint8Array, signedAt: number) => SignedMessage | Promise<SignedMessage>

export interface NotifierOptions {
  readonly spool: Pick<Spool, 'open'>
  readonly hostname: string
  readonly postmaster: string
  readonly laneFor: (recipient: MailAddress) => LaneId
  readonly dsnMaxAgeMs: number
  /** Absent: notifications are not signed. */
  readonly sign?: SignNotice | undefined
  /** UTC milliseconds. */
  readonly now: () => number
}

/** The event is for after the commit. */
export interface Notification {
  readonly message: NewMessage
  readonly event: Extract<BounceEvent, { readonly event: 'dsn-queued' | 'dsn-downgraded' }>
}

export interface Telling {
  readonly original: OriginalMessage
  readonly reported: readonly Reported[]
  readonly settlementId: string
  readonly gathered: boolean
}

/** Undefined when there is nothing to tell, or nobody to tell it to. */
export async function notificationOf(telling: Telling, options: NotifierOptions): Promise<Notification | undefined> {
  const { original, settlementId, gathered } = telling
  const [first, ...more] = telling.reported
  const sender = notifiedSender(original.envelope)
  if (first === undefined || sender === undefined) return undefined
  const { hostname, postmaster, laneFor, dsnMaxAgeMs: maxAgeMs } = options
  const now = options.now()
  const contentStart = await startOfContent(options.spool, original.id)
  const reported = [first, ...more] as const
  const facts = { original, sender, reported, contentStart, settlementId, hostname, postmaster, laneFor, now, maxAgeMs }
  const { message, dkim } = await signed(dsnMessage(facts), options)
  const action = ACTIONS.find((one) => reported.some((report) => report.action === one)) ?? 'failed'
  return {
    message,
    event: {
      ...{ event: 'dsn-queued', id: original.id, dsnId: message.id, action, recipients: reported.length, gathered },
      ...(dkim === undefined ? {} : { dkim }),
    },
  }
}

/** EAI-08: the notification that this claim is, in seven bits, when that is what its way back wants. */
export async function sevenBitNotification(
  claim: Pick<Claim, 'id' | 'envelope' | 'recipients' | 'receivedAt'>,
  { outcomes, settlementId }: { readonly outcomes: readonly RecipientOutcome[]; readonly settlementId: string },
  options: NotifierOptions,
): Promise<Notification | undefined> {
  const missing = missingForNotification(claim.envelope, outcomes)
  const [to] = claim.recipients
  if (missing === undefined || to === undefined) return undefined
  const bytes = sevenBitForm(await startOfContent(options.spool, claim.id))
  if (bytes === undefined) return undefined
  const { laneFor, dsnMaxAgeMs: maxAgeMs } = options
  const refused = { receivedAt: claim.receivedAt, envelope: claim.envelope, sender: to.address }
  const messageId = originalMessageId(bytes) ?? `<${claim.id}@${options.hostname}>`
  const made = sevenBitMessage({ refused, bytes, messageId, settlementId, laneFor, now: options.now(), maxAgeMs })
  const { message } = await signed(made, options)
  return { message, event: { event: 'dsn-downgraded', id: claim.id, dsnId: message.id, missing } }
}

function missingForNotification(
  { origin, reversePath }: Envelope,
  outcomes: readonly RecipientOutcome[],
): 'SMTPUTF8' | '8BITMIME' | undefined {
  if (origin.kind !== 'local' || origin.purpose !== 'dsn' || reversePath !== nullReversePath) return undefined
  const [outcome] = outcomes
  if (outcome?.kind !== 'failed' || outcome.problem.cause.kind !== 'extension-missing') return undefined
  const { extension } = outcome.problem.cause
  return extension === 'REQUIRETLS' ? undefined : extension
}

async function signed(
  message: NewMessage,
  { sign, now }: NotifierOptions,
): Promise<{ readonly message: NewMessage; readonly dkim: SigningOutcome | undefined }> {
  if (sign === undefined || message.content.kind !== 'memory') return { message, dkim: undefined }
  const { bytes, outcome } = await sign(message.content.bytes, now())
  const envelope = { ...message.envelope, size: bytes.length }
  return { message: { ...message, envelope, content: { kind: 'memory', bytes } }, dkim: outcome }
}

/** A notification without the returned part is better than none. */
async function startOfContent(spool: Pick<Spool, 'open'>, id: QueueId): Promise<Uint8Array> {
  try {
    const content = await spool.open(id)
    if (content.kind === 'memory') return content.bytes.subarray(0, START_LIMIT)
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of content.open() as AsyncIterable<Uint8Array>) {
      chunks.push(chunk)
      size += chunk.length
      if (size > START_LIMIT) break
    }
    return Buffer.concat(chunks)
  } catch {
    return new Uint8Array()
  }
}

/** More than is ever returned, and more than any notification has. */
const START_LIMIT = RETURNED_CONTENT_LIMIT + 65_536
