/**
 * Records of the Redis spool as text and back, shared with the scripts in `redis-lua/` (the prelude tells the keys).
 * Lines instead of one JSON, so that the scripts read the little they need, and envelope and recipients pass through
 * unparsed. Pure.
 *
 *   facts      "deliveries cost file size receivedAt"
 *   envelope   "expiresAt form sha256" LF Message-ID as JSON, or nothing LF envelope as JSON
 *   delivery   "revision state due attempts open lane" LF domains LF delay notice LF reason (and rule) as JSON LF
 *              recipients
 */
import { hash } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { invariant } from '@hermetic/policy'
import type { LaneId } from '../../delivery/lane.ts'
import type { DeliveryState, SpooledDelivery, SpooledRecipient } from '../message-state.ts'
import type { QueueId } from '../queue-id.ts'
import type { ClaimToken } from '../spool.ts'
import { StoreFailed } from '../store-failed.ts'
import { domainsOf } from '../store-message.ts'
import type {
  ClaimRecord,
  EntryRecord,
  Gone,
  MessageRecord,
  NewDeliveryRecord,
  ReadReply,
  WholeRecord,
} from '../store-protocol.ts'

/** What a script takes and answers. */
export type RedisArgument = string | Buffer
/** Texts are told from contents by where they stand. */
export type RedisReply = Buffer | number | null | readonly RedisReply[]

const STATE_LETTERS = { queued: 'q', held: 'h', quarantined: 'x', settled: 's' } as const satisfies Record<
  DeliveryState,
  string
>
const STATES: ReadonlyMap<string, DeliveryState> = new Map(
  (['queued', 'held', 'quarantined', 'settled'] as const).map((state) => [STATE_LETTERS[state], state]),
)
/** Keys, indexes and the hash itself, as measured (test/interop/redis-spool-server.test.ts), besides what a message says. */
const MESSAGE_OVERHEAD_BYTES = 896

export function stateLetter(state: DeliveryState): string {
  return STATE_LETTERS[state]
}

export interface StoredDelivery {
  readonly revision: string
  readonly delivery: SpooledDelivery
}

/** What `accept` and `settle` read for one message. */
export function messageArguments(message: MessageRecord): readonly RedisArgument[] {
  return argumentsOf(message, message.deliveries.map(newDeliveryArguments))
}

/** The same for a message that another spool kept. */
export function wholeArguments(message: WholeRecord): readonly RedisArgument[] {
  return argumentsOf(message, message.deliveries.map(deliveryArguments))
}

function argumentsOf(
  message: Omit<MessageRecord, 'deliveries'>,
  deliveries: readonly (readonly string[])[],
): readonly RedisArgument[] {
  const { content, size } = message
  const placed = content.kind === 'inline' ? inlineForm(content.bytes) : undefined
  const sha256 = content.kind === 'inline' ? hash('sha256', content.bytes, 'buffer') : Buffer.from(content.sha256)
  const header = message.messageIdHeader === undefined ? '' : JSON.stringify(message.messageIdHeader)
  const first = `${integer(message.expiresAt)} ${placed?.form ?? 'file'} ${sha256.toString('base64')}`
  const envelope = `${first}\n${header}\n${message.envelope}`
  const texts = [envelope, ...deliveries.flat()].reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  const cost = MESSAGE_OVERHEAD_BYTES + texts + (placed?.bytes.byteLength ?? size)
  return [
    message.id,
    envelope,
    placed === undefined ? '0' : '1',
    placed?.bytes ?? '',
    String(cost),
    placed === undefined ? '1' : '0',
    integer(size),
    integer(message.receivedAt),
    String(deliveries.length),
    ...deliveries.flat(),
  ]
}

/** State, due, attempts, open, lane, tail: as the scripts read them. */
export function deliveryArguments(delivery: SpooledDelivery): readonly string[] {
  const { lane, state, dueAt, attempts, delayNoticeAt, recipients } = delivery
  const open = recipients.filter((recipient) => recipient.state === 'open').length
  const mark = delayNoticeAt === undefined ? '' : integer(delayNoticeAt)
  const why = reasonLine(delivery)
  const tail = `${domainsOf(recipients)}\n${mark}\n${why}\n${JSON.stringify(recipients)}`
  return [STATE_LETTERS[state], integer(dueAt), String(attempts), String(open), lane, tail]
}

function newDeliveryArguments({ lane, dueAt, held, open, domains, recipients }: NewDeliveryRecord): readonly string[] {
  const letter = held === undefined ? STATE_LETTERS.queued : STATE_LETTERS.held
  const why = held === undefined ? '' : reasonLine(held)
  return [letter, integer(dueAt), '0', String(open), lane, `${domains}\n\n${why}\n${recipients}`]
}

/** As JSON: nothing, the words of whoever stopped it, or those and the rule that holds it. */
function reasonLine({ reason, rule }: Pick<SpooledDelivery, 'reason' | 'rule'>): string {
  if (rule !== undefined) return JSON.stringify([reason, rule])
  return reason === undefined ? '' : JSON.stringify(reason)
}

function reasonOf(line: string): Pick<SpooledDelivery, 'reason' | 'rule'> {
  if (line === '') return {}
  const said = JSON.parse(line) as string | readonly [string, string]
  return typeof said === 'string' ? { reason: said } : { reason: said[0], rule: said[1] }
}

export function storedDelivery(raw: string): StoredDelivery {
  const { revision, state, dueAt, attempts, lane, mark, reason, recipients } = deliveryLines(raw)
  return {
    revision,
    delivery: {
      lane,
      state,
      dueAt,
      attempts,
      ...reasonOf(reason),
      ...(mark === '' ? {} : { delayNoticeAt: Number(mark) }),
      recipients: JSON.parse(recipients) as readonly SpooledRecipient[],
    },
  }
}

/** One row of `claim`: id, delivery, facts, envelope, delivery's record. */
export function claimRecord(row: RedisReply, holder: string): { readonly record: ClaimRecord; readonly raw: string } {
  const [id, k, facts, envelope, raw] = texts(row)
  invariant(raw !== undefined && facts !== undefined && envelope !== undefined, 'a claim has five parts')
  const { lane, dueAt, attempts, mark, recipients } = deliveryLines(raw)
  const record: ClaimRecord = {
    token: `${id}/${k}/${holder}` as ClaimToken,
    id: id as QueueId,
    lane,
    envelope: envelopeLines(envelope).envelope,
    recipients,
    receivedAt: factsOf(facts).receivedAt,
    expiresAt: envelopeLines(envelope).expiresAt,
    dueAt,
    attempts,
    delayNoticeAt: mark === '' ? null : Number(mark),
  }
  return { record, raw }
}

/** One message as `show` and `list` answer it, with the record of each delivery and whether it is given out. */
export function entryRecord(
  row: RedisReply,
): EntryRecord & { readonly stored: readonly (StoredDelivery & { readonly isOut: boolean })[] } {
  const [id, facts, envelope, ...rest] = texts(row)
  invariant(facts !== undefined && envelope !== undefined, 'an entry has its facts and its envelope')
  const { header, expiresAt, envelope: json } = envelopeLines(envelope)
  const stored: (StoredDelivery & { readonly isOut: boolean })[] = []
  const deliveries: EntryRecord['deliveries'][number][] = []
  for (let at = 0; at + 1 < rest.length; at += 2) {
    const raw = rest[at] ?? ''
    const isOut = rest[at + 1] === '1'
    const one = storedDelivery(raw)
    const { lane, state, reason, rule, attempts, dueAt, delayNoticeAt } = one.delivery
    stored.push({ ...one, isOut })
    deliveries.push({
      lane,
      state: isOut && state === 'queued' ? 'in-delivery' : state,
      reason: reason ?? null,
      rule: rule ?? null,
      attempts,
      dueAt,
      delayNoticeAt: delayNoticeAt ?? null,
      recipients: deliveryLines(raw).recipients,
    })
  }
  return {
    id: id as QueueId,
    envelope: json,
    messageIdHeader: header === '' ? null : (JSON.parse(header) as string),
    ...factsOf(facts),
    expiresAt,
    deliveries,
    stored,
  }
}

/** Facts, envelope and content as `read` answers them. */
export function readReply([facts, envelope, content]: readonly RedisReply[]): ReadReply {
  if (!Buffer.isBuffer(facts) || !Buffer.isBuffer(envelope)) return { kind: 'missing' }
  const { size } = factsOf(facts.toString())
  const { form, sha256 } = envelopeLines(envelope.toString())
  if (form === 'file') return { kind: 'file', size, sha256 }
  if (!Buffer.isBuffer(content)) return { kind: 'damaged' }
  // A copy, because what comes from the connection would keep a whole chunk of it in memory.
  const bytes = form === 'zstd' ? decompressed(content, size) : Buffer.from(content)
  if (bytes === undefined || !hash('sha256', bytes, 'buffer').equals(sha256)) return { kind: 'damaged' }
  return { kind: 'inline', bytes }
}

/** "id file size", of a message that left. */
export function goneOf(reply: RedisReply | undefined): readonly Gone[] {
  if (!Buffer.isBuffer(reply)) return []
  const [id, file, size] = reply.toString().split(' ')
  return [{ id: id as QueueId, inFile: file === '1', size: Number(size) }]
}

export function texts(reply: RedisReply | undefined): readonly string[] {
  return Array.isArray(reply) ? reply.map((part) => (Buffer.isBuffer(part) ? part.toString() : String(part))) : []
}

/** The scripts take whole numbers only; anything else is this message's own defect. */
function integer(value: number): string {
  if (Number.isSafeInteger(value)) return String(value)
  throw new StoreFailed({
    scope: 'operation',
    full: false,
    detail: `${value} is no whole number`,
    outcomeUnknown: false,
  })
}

function factsOf(line: string): { readonly size: number; readonly receivedAt: number } {
  const [, , , size, receivedAt] = line.split(' ').map(Number)
  invariant(size !== undefined && receivedAt !== undefined, 'the facts of a message are five numbers')
  return { size, receivedAt }
}

function envelopeLines(text: string) {
  const [first = '', header = '', envelope = ''] = text.split('\n')
  const [expiresAt, form, sha256 = ''] = first.split(' ')
  return { expiresAt: Number(expiresAt), form, sha256: Buffer.from(sha256, 'base64'), header, envelope }
}

function deliveryLines(raw: string) {
  const [head = '', , mark = '', reason = '', recipients = ''] = raw.split('\n')
  const [revision = '', letter = '', dueAt, attempts, , lane] = head.split(' ')
  const state = STATES.get(letter)
  invariant(state !== undefined && lane !== undefined, 'a delivery has a state and a lane')
  return {
    ...{ revision, state, mark, reason, recipients },
    dueAt: Number(dueAt),
    attempts: Number(attempts),
    lane: lane as LaneId,
  }
}

function inlineForm(bytes: Uint8Array): { readonly form: 'zstd' | 'plain'; readonly bytes: Buffer } {
  const plain = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const small = zstdCompressSync(plain)
  return small.byteLength < plain.byteLength ? { form: 'zstd', bytes: small } : { form: 'plain', bytes: plain }
}

function decompressed(bytes: Buffer, size: number): Buffer | undefined {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: size })
  } catch {
    return undefined
  }
}
