/**
 * For tests: a queue of given entries behind the port `SpoolAdmin`, and what was ordered of it.
 */
import { parseDomainName } from '@hermetic/policy'
import { laneId } from '../delivery/lane.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { QueueAction, QueueChange, QueueEntry, SpoolAdmin } from '../spool/spool.ts'

export interface LabQueue extends SpoolAdmin {
  readonly ordered: { readonly ids: readonly QueueId[]; readonly action: QueueAction }[]
}

export function labId(number: number): QueueId {
  return `0198a1b2-0000-7000-8000-${String(number).padStart(12, '0')}` as QueueId
}

export function labEntry(number: number, domain = 'example.com'): QueueEntry {
  const name = parseDomainName(domain)
  if (!name.ok) throw new Error(domain)
  const address = { localPart: `user${number}`, domain: { kind: 'name', name: name.value } } as const
  return {
    id: labId(number),
    envelope: {
      reversePath: { ...address, localPart: 'sender' },
      body: '7bit',
      smtpUtf8: false,
      tls: 'default',
      dsn: {},
      size: 1000 + number,
      origin: { kind: 'local', purpose: 'report' },
    },
    receivedAt: 1_000_000,
    expiresAt: 2_000_000,
    deliveries: [
      {
        lane: laneId({ kind: 'mx', nextHop: address.domain, port: 25 }),
        state: 'queued',
        attempts: number,
        dueAt: 1_100_000,
        recipients: [
          {
            index: 0,
            address,
            state: 'open',
            ...(number === 0
              ? {}
              : {
                  lastOutcome: {
                    kind: 'deferred',
                    index: 0,
                    dueAt: 1_100_000,
                    problem: {
                      cause: { kind: 'reply', phase: 'rcpt', reply: { code: 451, lines: ['try later\u001b[2J'] } },
                      status: '4.2.0',
                      permanence: 'transient',
                      fault: 'destination',
                      scope: 'recipient',
                      at: 1_050_000,
                    },
                  },
                }),
          },
        ],
      },
    ],
  }
}

export function labQueue(entries: readonly QueueEntry[]): LabQueue {
  const list: SpoolAdmin['list'] = async (filter, { limit, after }) =>
    entries
      .filter(({ id }) => after === undefined || id > after)
      .filter(({ deliveries }) => filter.lane === undefined || deliveries.some(({ lane }) => lane === filter.lane))
      .filter(({ deliveries }) => filter.state === undefined || deliveries.some(({ state }) => state === filter.state))
      .filter(
        ({ deliveries }) =>
          filter.domain === undefined || deliveries.some(({ lane }) => lane.includes(`:${filter.domain}:`)),
      )
      .slice(0, limit)
  const summary: SpoolAdmin['summary'] = async () => ({
    messages: entries.length,
    recipientsOpen: entries.length,
    held: 0,
    quarantined: 0,
    heldByRules: 0,
    bytes: 1_000 * entries.length,
    oldestReceivedAt: 1_000_000,
    classes: { urgent: 0, normal: 0, bulk: 0 },
    ...{ laneCount: 0, lanes: [], oldestLanes: [], tags: [] },
  })
  const shape: SpoolAdmin['shape'] = async ({ by }) => ({ by, ages: [], rows: [], others: { names: 0, counts: [] } })
  const ordered: { ids: readonly QueueId[]; action: QueueAction }[] = []
  return {
    ordered,
    list,
    page: async (filter, page) => {
      const found = await list(filter, page)
      const more = found.length === page.limit ? found.at(-1)?.id : undefined
      return { entries: found, ...(more === undefined ? {} : { more }) }
    },
    show: async (id) => entries.find((entry) => entry.id === id),
    change: async (ids, action): Promise<readonly QueueChange[]> => {
      ordered.push({ ids, action })
      return ids.map((id) => ({ id, result: entries.some((entry) => entry.id === id) ? 'done' : 'not-found' }))
    },
    summary,
    overview: async (ask) => ({ summary: await summary(), shape: await shape(ask) }),
    shape,
  }
}
