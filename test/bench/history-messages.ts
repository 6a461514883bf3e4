/**
 * Messages for the bench of the history, as the relay would tell of them: accepted, one transaction over TLS under an
 * enforced policy, settled. Ids, recipients and replies differ from message to message, as they do in life.
 */
import { randomBytes } from 'node:crypto'
import { parseDomainName, tlsRequirement } from '@hermetic/policy'
import { channelRecord } from '../../packages/mta/src/delivery/channel-record.ts'
import type { AttemptFinished } from '../../packages/mta/src/delivery/events.ts'
import { laneId } from '../../packages/mta/src/delivery/lane.ts'
import type { HistoryKey } from '../../packages/mta/src/history/delivery-history.ts'
import type { LogEvent } from '../../packages/mta/src/observability/log-events.ts'
import type { MailAddress } from '../../packages/mta/src/smtp/mail-address.ts'
import { newQueueId } from '../../packages/mta/src/spool/queue-id.ts'
import type { NewMessage } from '../../packages/mta/src/spool/spool.ts'

export interface HistoryMessage {
  readonly message: NewMessage
  readonly events: readonly LogEvent[]
  readonly keys: readonly HistoryKey[]
}

/** Messages over one connection, and connections that are open at once. */
const PER_CONNECTION = 100
const CONNECTIONS = 20

const REMOTE = { mxHostname: 'mx1.example.com', address: '192.0.2.25', port: 25 } as const
const SENDER = mailAddress('noreply@app.example.net')
const LANE = laneId({ kind: 'mx', nextHop: mailAddress('x@example.com').domain, port: 25 })

type Session = Pick<AttemptFinished, 'remote' | 'channel' | 'requirement' | 'policy' | 'verdict' | 'results'>

export function* historyMessages(count: number): Generator<HistoryMessage> {
  const sessions = Array.from({ length: CONNECTIONS }, session)
  for (let made = 0; made < count; made += 1) {
    const at = made % CONNECTIONS
    if (made % (CONNECTIONS * PER_CONNECTION) < CONNECTIONS) sessions[at] = session()
    const open = sessions[at]
    if (open !== undefined) yield historyMessage(open, Math.floor(made / CONNECTIONS) % PER_CONNECTION)
  }
}

function historyMessage(session: Session, reused: number): HistoryMessage {
  const id = newQueueId()
  const address = mailAddress(`${randomText(5)}@example.com`)
  const messageIdHeader = `<${randomText(12)}@app.example.net>`
  const reply = { code: 250, enhancedStatus: '2.0.0', lines: [`Ok: queued as ${randomText(6)}`] } as const
  const recipients = { delivered: 1, deferred: 0, failed: 0, ambiguous: 0 }
  const receivedAt = Date.now()
  const attempt: AttemptFinished = {
    ...{ event: 'attempt-finished', id, lane: LANE, nextHop: 'example.com', attempt: 1, ...session },
    ...{ reused, size: 5_000 + (reused % 64), recipients, reply, durationMs: 12 + reused / 7 },
  }
  return {
    message: {
      ...{ id, recipients: [{ index: 0, address }], deliveries: [{ lane: LANE, recipients: [0] }] },
      ...{
        receivedAt,
        expiresAt: receivedAt + 1,
        content: { kind: 'memory', bytes: new Uint8Array() },
        messageIdHeader,
      },
      envelope: {
        ...{
          reversePath: SENDER,
          body: '7bit',
          smtpUtf8: false,
          requireTls: false,
          tls: 'default',
          dsn: {},
          size: 5_000,
        },
        origin: { kind: 'credential', username: 'app', address: '198.51.100.7' },
      },
    },
    events: [
      attempt,
      {
        ...{ event: 'message-settled', id, lane: LANE, attempt: 1, summary: recipients, ageMs: 30 },
        settled: {
          recipients: [{ address, outcome: { kind: 'delivered', index: 0, reply, remote: REMOTE } }],
          met: [],
        },
      },
    ],
    keys: [
      { kind: 'id', id },
      { kind: 'message-id', messageId: messageIdHeader },
      { kind: 'address', address: `${address.localPart}@example.com` },
      { kind: 'address', address: 'noreply@app.example.net' },
    ],
  }
}

function session(): Session {
  const certificate = {
    ...{
      der: new Uint8Array(),
      fingerprintSha256: 'AB:CD:'.repeat(16).slice(0, -1),
      validFrom: 0,
      validTo: 1_800_000_000_000,
    },
    ...{ subject: 'CN=mx1.example.com', issuer: "C=US\nO=Let's Encrypt\nCN=R11" },
    subjectAltName: 'DNS:mx1.example.com, DNS:mx2.example.com, DNS:example.com',
  }
  const channel = channelRecord({
    kind: 'tls',
    facts: {
      ...{ protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', keyExchange: 'X25519MLKEM768', chainCut: false },
      ...{ chain: [certificate], pkix: { kind: 'trusted' }, name: { kind: 'not-asked' } },
    },
  })
  const requirement = tlsRequirement({ local: 'pkix' })
  if (channel.kind !== 'tls' || requirement.kind !== 'prove') throw new Error('made of TLS facts')
  return {
    remote: REMOTE,
    channel: { ...channel, level: 'sts' },
    requirement,
    policy: { kind: 'sts', mode: 'enforce', id: '20261101', from: 'cache', ageMs: 3_600_000 },
    verdict: { kind: 'proven', level: 'sts' },
    results: [{ policyType: 'sts', outcome: { kind: 'success' } }],
  }
}

function mailAddress(text: string): MailAddress {
  const [localPart = '', domain = ''] = text.split('@')
  const name = parseDomainName(domain)
  if (!name.ok) throw new Error(text)
  return { localPart, domain: { kind: 'name', name: name.value } }
}

function randomText(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
