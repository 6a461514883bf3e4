/**
 * For tests: entries of the history, made of what a test cares about.
 */
import { newQueueId, type QueueId } from '../spool/queue-id.ts'
import type { AcceptedEntry, AttemptEntry, HostTrouble, SettledEntry } from './entry.ts'

export function acceptedEntry(entry: Partial<AcceptedEntry> = {}): AcceptedEntry {
  return {
    kind: 'accepted',
    id: newQueueId(),
    at: 1_000,
    messageId: '<one@app.example>',
    sender: 'app@sender.example',
    size: 5_000,
    origin: { kind: 'credential', username: 'app', address: '192.0.2.1' },
    recipients: [{ address: 'jane@example.com', lane: 'mx:example.com:25' }],
    ...entry,
  }
}

export function attemptEntry(id: QueueId, at = 2_000): AttemptEntry {
  return {
    ...{ kind: 'attempt', id, at },
    record: {
      ...{ result: 'delivered', lane: 'mx:example.com:25', nextHop: 'example.com', attempt: 1 },
      ...{ mxHostname: 'mx.example.com', address: '192.0.2.25', port: 25, reused: 0, size: 5_000 },
      recipients: { delivered: 1, deferred: 0, failed: 0, ambiguous: 0 },
      ...{ reply: '250 2.0.0 ok', durationMs: 12.5 },
      ...{ stsPolicy: 'enforce', stsId: '20261101', stsFrom: 'cache', stsAgeSeconds: 61 },
    },
    session: {
      ...{ tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384', tlsRequirement: 'pkix', tlsVerdict: 'sts' },
      ...{ tlsResult: 'sts: success', stsMatched: '*.example.com', certFingerprint: 'ab'.repeat(32) },
      ...{ certSubject: 'CN=mx.example.com', certIssuer: 'CN=Example CA' },
      ...{ certNotAfter: '2026-12-24T00:00:00.000Z', certNames: 'DNS:mx.example.com' },
    },
  }
}

/** A delivery under policies that are only observed; `refuse`: what they would have said. */
export function observedEntry(entry: {
  readonly domain: string
  readonly host?: string
  readonly at?: number
  readonly refuse?: string
}): AttemptEntry {
  const { domain, host = `mx.${domain}`, at = 2_000, refuse } = entry
  const { record, session, ...rest } = attemptEntry(newQueueId(), at)
  return {
    ...rest,
    record: { ...record, lane: `mx:${domain}:25`, nextHop: domain, mxHostname: host },
    session: { ...session, ...(refuse === undefined ? {} : { tlsWouldRefuse: refuse }) },
  }
}

export function hostTrouble(trouble: Partial<HostTrouble> = {}): HostTrouble {
  return {
    ...{ at: 1_500, mxHostname: 'mx.example.com', address: '192.0.2.25', port: 25 },
    ...{ status: '4.4.1', cause: 'connect-failed: ECONNREFUSED' },
    ...trouble,
  }
}

export function settledEntry(id: QueueId, entry: Partial<SettledEntry> = {}): SettledEntry {
  return {
    ...{ kind: 'settled', id, at: 2_001, lane: 'mx:example.com:25', attempt: 1, met: [] },
    recipients: [{ address: 'jane@example.com', end: 'delivered', text: '250 2.0.0 ok', mxHostname: 'mx.example.com' }],
    ...entry,
  }
}
