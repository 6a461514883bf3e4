/**
 * A message of a queue file as a value: its shape is looked at field by field, because what enters a spool wrongly is
 * found only when it is to be delivered. The values were written by a relay; what they say is not judged. Pure.
 */
import { err, ok, parseDomainName, type Result } from '@hermetic/policy'
import type { LaneId } from '../delivery/lane.ts'
import type { RecipientOutcome } from '../delivery/outcome.ts'
import type { Envelope } from '../smtp/envelope.ts'
import type { SpooledDelivery, SpooledRecipient } from '../spool/message-state.ts'
import { parseQueueId } from '../spool/queue-id.ts'
import type { WholeMessage } from '../spool/whole-message.ts'

/** A message has at most so many places for deliveries in either engine. */
const DELIVERIES_MAX = 65_535

/** The error names the field. */
export function readWholeMessage(facts: unknown): Result<WholeMessage, string> {
  try {
    return ok(message(fields(facts, 'message')))
  } catch (error) {
    if (error instanceof WrongField) return err(error.message)
    throw error
  }
}

class WrongField extends Error {
  override readonly name = 'WrongField'
}

type Fields = Readonly<Record<string, unknown>>

function message(of: Fields): WholeMessage {
  const id = typeof of['id'] === 'string' ? parseQueueId(of['id']) : undefined
  if (id === undefined) throw new WrongField('id')
  const deliveries = list(of['deliveries'], 'deliveries').map(delivery)
  if (deliveries.length === 0 || deliveries.length > DELIVERIES_MAX) throw new WrongField('deliveries')
  const messageIdHeader = optional(of['messageIdHeader'], 'messageIdHeader', text)
  return {
    id,
    envelope: envelope(fields(of['envelope'], 'envelope')),
    ...(messageIdHeader === undefined ? {} : { messageIdHeader }),
    receivedAt: whole(of['receivedAt'], 'receivedAt'),
    expiresAt: whole(of['expiresAt'], 'expiresAt'),
    deliveries,
  }
}

/** Kept as it is, with fields that only another version knows. */
function envelope(of: Fields): Envelope {
  if (of['reversePath'] !== 'nullReversePath') address(of['reversePath'], 'envelope.reversePath')
  oneOf(of['body'], 'envelope.body', ['7bit', '8bitmime'])
  if (typeof of['smtpUtf8'] !== 'boolean') throw new WrongField('envelope.smtpUtf8')
  oneOf(of['tls'], 'envelope.tls', ['default', 'requiretls', 'tls-optional'])
  fields(of['dsn'], 'envelope.dsn')
  whole(of['size'], 'envelope.size')
  oneOf(fields(of['origin'], 'envelope.origin')['kind'], 'envelope.origin.kind', ['credential', 'network', 'local'])
  // Looked at one by one above.
  return of as unknown as Envelope
}

function delivery(value: unknown, n: number): SpooledDelivery {
  const at = `deliveries[${n}]`
  const of = fields(value, at)
  const recipients = list(of['recipients'], `${at}.recipients`).map((one, m) =>
    recipient(one, `${at}.recipients[${m}]`),
  )
  if (recipients.length === 0) throw new WrongField(`${at}.recipients`)
  const reason = optional(of['reason'], `${at}.reason`, text)
  const delayNoticeAt = optional(of['delayNoticeAt'], `${at}.delayNoticeAt`, whole)
  return {
    lane: lane(of['lane'], `${at}.lane`),
    state: oneOf(of['state'], `${at}.state`, ['queued', 'held', 'quarantined', 'settled']),
    ...(reason === undefined ? {} : { reason }),
    dueAt: whole(of['dueAt'], `${at}.dueAt`),
    attempts: whole(of['attempts'], `${at}.attempts`),
    ...(delayNoticeAt === undefined ? {} : { delayNoticeAt }),
    recipients,
  }
}

function recipient(value: unknown, at: string): SpooledRecipient {
  const of = fields(value, at)
  whole(of['index'], `${at}.index`)
  address(of['address'], `${at}.address`)
  oneOf(of['state'], `${at}.state`, ['open', 'delivered', 'failed', 'cancelled', 'to-report'])
  whole(of['ambiguousCount'], `${at}.ambiguousCount`)
  optional(of['orcpt'], `${at}.orcpt`, text)
  if (of['notify'] !== undefined) {
    for (const one of list(of['notify'], `${at}.notify`)) {
      oneOf(one, `${at}.notify`, ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'])
    }
  }
  if (of['lastOutcome'] !== undefined) outcome(of['lastOutcome'], `${at}.lastOutcome`)
  // Looked at one by one above.
  return of as unknown as SpooledRecipient
}

const OUTCOMES: readonly RecipientOutcome['kind'][] = ['delivered', 'deferred', 'failed', 'ambiguous']

function outcome(value: unknown, at: string): void {
  const of = fields(value, at)
  const kind = oneOf(of['kind'], `${at}.kind`, OUTCOMES)
  if (kind === 'delivered') {
    fields(of['reply'], `${at}.reply`)
    fields(of['remote'], `${at}.remote`)
    return
  }
  const problem = fields(of['problem'], `${at}.problem`)
  text(fields(problem['cause'], `${at}.problem.cause`)['kind'], `${at}.problem.cause.kind`)
  text(problem['status'], `${at}.problem.status`)
}

function address(value: unknown, at: string): void {
  const of = fields(value, at)
  text(of['localPart'], `${at}.localPart`)
  const domain = fields(of['domain'], `${at}.domain`)
  if (domain['kind'] === 'name' && parseDomainName(text(domain['name'], `${at}.domain.name`)).ok) return
  if (domain['kind'] === 'literal' && typeof domain['address'] === 'string') return
  throw new WrongField(`${at}.domain`)
}

/** Whose lane it is, is said by the configuration of the relay that delivers. */
function lane(value: unknown, at: string): LaneId {
  const id = text(value, at)
  if (!/^\S{1,1000}$/.test(id)) throw new WrongField(at)
  return id as LaneId
}

function fields(value: unknown, at: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new WrongField(at)
  return value as Fields
}

function list(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new WrongField(at)
  return value
}

function text(value: unknown, at: string): string {
  if (typeof value !== 'string') throw new WrongField(at)
  return value
}

function whole(value: unknown, at: string): number {
  if (!Number.isSafeInteger(value)) throw new WrongField(at)
  return Number(value)
}

function optional<T>(value: unknown, at: string, read: (value: unknown, at: string) => T): T | undefined {
  return value === undefined ? undefined : read(value, at)
}

function oneOf<const T extends string>(value: unknown, at: string, words: readonly T[]): T {
  const found = words.find((word) => word === value)
  if (found === undefined) throw new WrongField(at)
  return found
}
