/**
 * What a submission agent owes to a message before it relays it (RFC 6409 §8, RFC 5322 §3.6), and what it refuses.
 *
 * The header is read once; the outcome is the list of octet ranges that stay, byte for byte and in their order
 * (RFC 5321 §4.4), and the fields that are put behind them. A relay listener reads the same facts and repairs
 * nothing (RFC 5321 §6.4). Pure.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { err, ok, type Result } from '@hermetic/policy'
import { authors } from '../signing/author.ts'
import { correctedZone, formatDateTime } from '../smtp/date-time.ts'
import { formatReversePath, type MailAddress, nullReversePath, type ReversePath } from '../smtp/mail-address.ts'
import { type HeaderField, type ParsedHeader, parseHeader, unfold } from './header.ts'
import { countMailboxes } from './mailbox-list.ts'
import type { ContentProblem } from './replies.ts'
import { TAG_FIELD, type TagField, tagField } from './tag-field.ts'
import { type TlsRequiredField, tlsRequiredField } from './tls-required-field.ts'

export interface HygieneContext {
  /** `submission`: repair (RFC 6409). `relay`: only look (RFC 5321 §6.4). */
  readonly role: 'submission' | 'relay'
  readonly reversePath: ReversePath
  readonly hostname: string
  /** Makes the left side of a Message-ID unique. */
  readonly id: string
  readonly receivedFieldsMax: number
  /** Undefined: a message may name any author (RFC 6409 §6.1). */
  readonly mayAuthor?: ((address: MailAddress) => boolean) | undefined
  /** UTC milliseconds. */
  readonly receivedAt: number
}

export interface CleanHeader {
  /** Slices of the original header. */
  readonly kept: readonly Buffer[]
  /** Fields that were missing, with their CRLFs; goes behind what was kept. */
  readonly added: string
  readonly facts: HeaderFacts
}

export interface HeaderFacts {
  readonly messageId?: string
  readonly hasMimeVersion: boolean
  readonly nonAscii: boolean
  /** A multipart or message type: header fields may stand in the body too. */
  readonly nestsHeaders: boolean
  readonly tlsRequired: TlsRequiredField
  readonly tag: TagField
}

// RFC 5322 §3.6: at most one of each. Bcc is removed anyway, and trace and Resent fields may repeat.
const ONCE: ReadonlySet<string> = new Set([
  'from',
  'date',
  'sender',
  'reply-to',
  'to',
  'cc',
  'message-id',
  'in-reply-to',
  'references',
  'subject',
])

// RFC 5322 §3.6.3; RFC 5321 §4.4: Return-Path is written at final delivery only.
const REMOVED: ReadonlySet<string> = new Set(['bcc', 'resent-bcc', 'return-path', TAG_FIELD])

// RFC 5322 §3.6.4, as far as it matters: angle brackets, two sides, no white space.
const MESSAGE_ID = /^<[^\s<>@]+@[^\s<>@]+>$/
const QUOTED_MESSAGE_ID = /^<"[^"\r\n]+"@[^\s<>@]+>$/

/** `header` ends with the CRLF of its last field; the empty line is not part of it. */
export function cleanHeader(header: Buffer, context: HygieneContext): Result<CleanHeader, ContentProblem> {
  const parsed = parseHeader(header)
  const nonAscii = !isAscii(header)
  if (nonAscii && !isUtf8(header)) return err('header-not-utf8')
  if (count(parsed, 'received') > context.receivedFieldsMax) return err('loop')
  const facts = headerFacts(parsed, nonAscii)
  if (context.role === 'relay') return ok({ kept: [header], added: '', facts })
  const problem = headerProblem(parsed) ?? authorProblem(parsed, context)
  return problem === undefined ? repaired({ header, parsed, facts }, context) : err(problem)
}

function headerFacts(parsed: ParsedHeader, nonAscii: boolean): HeaderFacts {
  const messageId = bodyOf(parsed, 'message-id')
  return {
    ...(messageId === undefined ? {} : { messageId }),
    hasMimeVersion: count(parsed, 'mime-version') > 0,
    nonAscii,
    tlsRequired: tlsRequiredField(parsed),
    tag: tagField(parsed),
    nestsHeaders: /^(?:multipart|message)\//i.test(bodyOf(parsed, 'content-type') ?? ''),
  }
}

function headerProblem(parsed: ParsedHeader): ContentProblem | undefined {
  if (parsed.malformed) return 'malformed-header'
  const seen = new Set<string>()
  for (const { name } of parsed.fields) {
    if (!ONCE.has(name)) continue
    if (seen.has(name)) return 'duplicate-field'
    seen.add(name)
  }
  if (!seen.has('from')) return 'missing-from'
  return countMailboxes(bodyOf(parsed, 'from') ?? '') === 0 ? 'empty-from' : undefined
}

/** RFC 6409 §6.1: who may not send as an address may not write in its name either. What cannot be read is not allowed. */
function authorProblem(
  { fields }: ParsedHeader,
  { mayAuthor }: Pick<HygieneContext, 'mayAuthor'>,
): ContentProblem | undefined {
  if (mayAuthor === undefined) return undefined
  const named = fields.filter(({ name }) => name === 'from' || name === 'sender').map(({ body }) => authors(body))
  return named.every((addresses) => addresses?.every(mayAuthor)) ? undefined : 'author-not-allowed'
}

interface HeaderInHand {
  readonly header: Buffer
  readonly parsed: ParsedHeader
  readonly facts: HeaderFacts
}

function repaired(
  { header, parsed, facts }: HeaderInHand,
  context: HygieneContext,
): Result<CleanHeader, ContentProblem> {
  const added: string[] = []
  const dropped = new Set<HeaderField>(parsed.fields.filter((field) => REMOVED.has(field.name)))

  const sender = senderField(parsed, context.reversePath)
  if (!sender.ok) return sender
  if (sender.value !== undefined) added.push(sender.value)

  const date = fieldOf(parsed, 'date')
  const zoned = date === undefined ? ` ${formatDateTime(context.receivedAt)}` : correctedZone(date.body)
  if (zoned !== undefined) {
    if (date !== undefined) dropped.add(date)
    added.push(`Date:${zoned}`)
  }

  let messageId = facts.messageId
  if (messageId === undefined || !(MESSAGE_ID.test(messageId) || QUOTED_MESSAGE_ID.test(messageId))) {
    const invalid = fieldOf(parsed, 'message-id')
    if (invalid !== undefined) dropped.add(invalid)
    messageId = `<${context.id}@${context.hostname}>`
    added.push(`Message-ID: ${messageId}`)
  }
  return ok({
    kept: keptRanges(header, parsed, dropped),
    added: added.map((field) => `${field}\r\n`).join(''),
    facts: { ...facts, messageId },
  })
}

/** RFC 5322 §3.6.2: several From mailboxes need a Sender; RFC 6409 §8.1 lets us name the reverse-path. */
function senderField(parsed: ParsedHeader, reversePath: ReversePath): Result<string | undefined, ContentProblem> {
  if (count(parsed, 'sender') > 0 || countMailboxes(bodyOf(parsed, 'from') ?? '') < 2) return ok(undefined)
  return reversePath === nullReversePath ? err('missing-sender') : ok(`Sender: ${formatReversePath(reversePath)}`)
}

/** Neighbouring fields leave as one slice. */
function keptRanges(header: Buffer, parsed: ParsedHeader, dropped: ReadonlySet<HeaderField>): readonly Buffer[] {
  if (dropped.size === 0) return [header]
  const kept: Buffer[] = []
  let start = 0
  for (const field of parsed.fields) {
    if (!dropped.has(field)) continue
    if (field.start > start) kept.push(header.subarray(start, field.start))
    start = field.end
  }
  if (start < header.length) kept.push(header.subarray(start))
  return kept
}

function fieldOf(parsed: ParsedHeader, name: string): HeaderField | undefined {
  return parsed.fields.find((field) => field.name === name)
}

function bodyOf(parsed: ParsedHeader, name: string): string | undefined {
  const field = fieldOf(parsed, name)
  return field === undefined ? undefined : unfold(field.body)
}

function count(parsed: ParsedHeader, name: string): number {
  return parsed.fields.reduce((sum, field) => (field.name === name ? sum + 1 : sum), 0)
}
