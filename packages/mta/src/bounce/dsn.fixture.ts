/**
 * Messages, problems and notifications for the tests of bouncing: one of every cause, and the whole request
 * with single facts replaced. Not used by the relay itself.
 */
import { invariant, parseDomainName } from '@hermetic/policy'
import { laneId } from '../delivery/lane.ts'
import type { DeliveryCause, DeliveryProblem, RecipientOutcome } from '../delivery/outcome.ts'
import type { Envelope, Recipient } from '../smtp/envelope.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import { parseQueueId } from '../spool/queue-id.ts'
import type { NewMessage } from '../spool/spool.ts'
import type { OriginalMessage } from './dsn.ts'
import { decideDsn } from './dsn-decision.ts'
import { type DsnRequest, dsnMessage } from './dsn-message.ts'

export const SAMPLE_TIME = Date.UTC(2026, 10, 22, 9, 30, 0)

export const SAMPLE_CONTENT = Buffer.from(
  'From: alice@app.example\r\nTo: bob@b.example\r\nSubject: Hello\r\nMessage-ID: <hello@app.example>\r\n\r\nBody\r\n',
)

export function address(localPart: string, domain: string): MailAddress {
  const name = parseDomainName(domain)
  invariant(name.ok, domain)
  return { localPart, domain: { kind: 'name', name: name.value } }
}

export function envelope(changes: Partial<Envelope> = {}): Envelope {
  return {
    reversePath: address('alice', 'app.example'),
    body: '7bit',
    smtpUtf8: false,
    tls: 'default',
    dsn: {},
    size: SAMPLE_CONTENT.length,
    origin: { kind: 'credential', username: 'app', address: '127.0.0.1' },
    ...changes,
  }
}

export function recipient(index: number, changes: Partial<Recipient> = {}): Recipient {
  return { index, address: address(`user${index}`, 'b.example'), ...changes }
}

const REMOTE = { mxHostname: 'mx1.b.example', address: '192.0.2.25', port: 25 }

export const REFUSED: DeliveryProblem = {
  cause: { kind: 'reply', phase: 'rcpt', reply: { code: 550, enhancedStatus: '5.1.1', lines: ['No such user'] } },
  status: '5.1.1',
  permanence: 'permanent',
  fault: 'destination',
  scope: 'recipient',
  remote: REMOTE,
  at: SAMPLE_TIME,
}

/** Every cause once; a new member of the union without a sample does not compile. */
const CAUSES: { readonly [Kind in DeliveryCause['kind']]: DeliveryCause & { readonly kind: Kind } } = {
  'dns-failure': { kind: 'dns-failure', lookup: 'mx', name: 'b.example', detail: 'SERVFAIL' },
  'domain-not-found': { kind: 'domain-not-found', name: 'b.example' },
  'null-mx': { kind: 'null-mx', name: 'b.example' },
  'no-address': { kind: 'no-address', names: ['mx1.b.example', 'mx2.b.example'] },
  'address-refused': { kind: 'address-refused', addresses: ['127.0.0.1'] },
  'mail-loop': { kind: 'mail-loop', name: 'b.example' },
  'connect-failed': { kind: 'connect-failed', code: 'ECONNREFUSED' },
  timeout: { kind: 'timeout', phase: 'greeting' },
  'connection-lost': { kind: 'connection-lost', phase: 'content', code: 'ECONNRESET' },
  'protocol-violation': { kind: 'protocol-violation', phase: 'ehlo', detail: 'a line without a code' },
  reply: { kind: 'reply', phase: 'final-dot', reply: { code: 554, lines: ['Refused', 'for a reason'] } },
  'tls-policy': { kind: 'tls-policy', reason: 'certificate-expired', policyDomain: 'b.example', mechanism: 'mta-sts' },
  'policy-unavailable': { kind: 'policy-unavailable', policyDomain: 'b.example', because: 'cache' },
  'login-failed': {
    kind: 'login-failed',
    username: 'shop',
    problem: { kind: 'refused', reply: { code: 535, enhancedStatus: '5.7.8', lines: ['no'] } },
  },
  suppressed: { kind: 'suppressed', by: 'bounces', since: 0, until: 86_400_000, refusal: '5.1.1' },
  cancelled: { kind: 'cancelled' },
  'hosts-left': { kind: 'hosts-left' },
  'not-tried': { kind: 'not-tried' },
  'route-changed': { kind: 'route-changed' },
  'extension-missing': { kind: 'extension-missing', extension: 'SMTPUTF8' },
  'too-large': { kind: 'too-large', size: 5000, limit: 1000 },
  expired: { kind: 'expired', last: { kind: 'timeout', phase: 'connect' } },
  'content-unreadable': { kind: 'content-unreadable', detail: 'hash differs' },
  stopped: { kind: 'stopped' },
  internal: { kind: 'internal', detail: 'invariant broken' },
}

export const EVERY_CAUSE: readonly DeliveryCause[] = Object.values(CAUSES)

export function failed(index: number, changes: Partial<DeliveryProblem> = {}): RecipientOutcome {
  return { kind: 'failed', index, problem: { ...REFUSED, ...changes } }
}

/** The same problem, with nothing remote in it. */
export function failedLocally(index: number, cause: DeliveryCause): RecipientOutcome {
  const { remote: _, ...problem } = REFUSED
  return { kind: 'failed', index, problem: { ...problem, cause, status: '5.1.2' } }
}

/** What became of it, without the relay hearing that anybody is told of success. */
export function relayed(index: number, changes: Partial<Extract<RecipientOutcome, { kind: 'delivered' }>> = {}) {
  const reply = { code: 250, enhancedStatus: '2.1.5', lines: ['Taken'] } as const
  return { kind: 'delivered', index, reply, remote: REMOTE, withoutDsn: true, ...changes } as const
}

export function delayed(
  index: number,
  changes: Partial<DeliveryProblem> = {},
): Extract<RecipientOutcome, { readonly kind: 'deferred' }> {
  return { kind: 'deferred', index, problem: { ...BUSY, ...changes }, dueAt: SAMPLE_TIME + 1_800_000 }
}

const BUSY: DeliveryProblem = {
  cause: { kind: 'reply', phase: 'rcpt', reply: { code: 451, enhancedStatus: '4.7.1', lines: ['Greylisted'] } },
  ...{ status: '4.7.1', permanence: 'transient', fault: 'destination', scope: 'recipient' },
  ...{ remote: REMOTE, at: SAMPLE_TIME },
}

/** What a notification is made of, before it is decided what it tells. */
export interface DsnSample extends Omit<DsnRequest, 'sender' | 'reported' | 'original'> {
  readonly original: OriginalMessage & { readonly recipients: readonly Recipient[] }
  readonly outcomes: readonly RecipientOutcome[]
}

export function dsnRequest(changes: Partial<DsnSample> = {}): DsnSample {
  const id = parseQueueId('01920000-0000-7000-8000-000000000001')
  invariant(id !== undefined, 'sample id')
  const receivedAt = SAMPLE_TIME - 5000
  return {
    original: { id, envelope: envelope(), recipients: [recipient(0)], receivedAt, expiresAt: receivedAt + 432_000_000 },
    outcomes: [failed(0)],
    contentStart: SAMPLE_CONTENT,
    settlementId: 'claim/1',
    hostname: 'relay.example.com',
    postmaster: 'postmaster@relay.example.com',
    laneFor: ({ domain }) => laneId({ kind: 'mx', nextHop: domain, port: 25 }),
    now: SAMPLE_TIME,
    maxAgeMs: 86_400_000,
    ...changes,
  }
}

export function withEnvelope(changes: Parameters<typeof envelope>[0], rest: Partial<DsnSample> = {}) {
  const request = dsnRequest(rest)
  return { ...request, original: { ...request.original, envelope: envelope(changes) } }
}

/** The notification for the request; a request that makes none is a mistake of the test. */
export function dsnOf(request: DsnSample): NewMessage {
  const { reported } = decideDsn(request.original, request.outcomes)
  const [first, ...more] = reported
  const sender = request.original.envelope.reversePath
  invariant(first !== undefined && typeof sender !== 'string', 'the sample makes a notification')
  return dsnMessage({ ...request, sender, reported: [first, ...more] })
}

export function dsnBytes(request: DsnSample): Buffer {
  const { content } = dsnOf(request)
  invariant(content.kind === 'memory', 'notifications are small')
  return Buffer.from(content.bytes)
}

/** One character for each octet. */
export function dsnText(request: DsnSample): string {
  return dsnBytes(request).toString('latin1')
}
