/**
 * Long answers of the Redis spool: pages of the queue and its totals, gathered in slices between which the server
 * serves mail; so a long answer is not one moment's picture.
 */
import type { LaneId } from '../../delivery/lane.ts'
import type { Envelope } from '../../smtp/envelope.ts'
import { nullReversePath } from '../../smtp/mail-address.ts'
import type { EntryRecord, StoreAsk, SummaryRecord } from '../store-protocol.ts'
import { entryRecord, type RedisReply, stateLetter, texts } from './redis-records.ts'

/** Messages looked at per call: about two milliseconds of the server. */
const SLICE = 500
const SUMMARY_LANES_MAX = 200

/** Messages that sets lead to are looked up one by one; of more, the walk soon meets a page of matches. */
const FEW = 5000

type Walk = (name: 'list' | 'list-these' | 'few' | 'totals', ...args: readonly string[]) => Promise<RedisReply>

export interface RedisListAsk extends StoreAsk<'list'> {
  readonly senderOf: (envelope: string) => string
}

export async function redisList(run: Walk, ask: RedisListAsk): Promise<readonly EntryRecord[]> {
  const few = await fewMessages(run, ask)
  return await (few === undefined ? walked(run, ask) : lookedUp(run, ask, few))
}

/** Undefined: the filter leads to nothing, or to too many. */
async function fewMessages(run: Walk, { filter, after }: RedisListAsk): Promise<readonly string[] | undefined> {
  const { lane, domain, state } = filter
  // What is stopped has a set of its own, which is walked.
  if ((lane === undefined && domain === undefined) || state === 'held' || state === 'quarantined') return undefined
  const ids = await run('few', lane ?? '', domain?.toLowerCase() ?? '', String(FEW))
  return Array.isArray(ids) ? texts(ids).filter((id) => id > after) : undefined
}

async function lookedUp(run: Walk, ask: RedisListAsk, ids: readonly string[]): Promise<readonly EntryRecord[]> {
  const entries: EntryRecord[] = []
  for (let at = 0; at < ids.length && entries.length < ask.limit; at += SLICE) {
    const some = ids.slice(at, at + SLICE)
    const wanted = wantedOf(ask, entries.length)
    const rows = await run('list-these', wanted, ...conditions(ask), String(some.length), ...some)
    entries.push(...ofMessage(arrayOf(rows), ask))
  }
  return entries.slice(0, ask.limit)
}

async function walked(run: Walk, ask: RedisListAsk): Promise<readonly EntryRecord[]> {
  const entries: EntryRecord[] = []
  for (let last: string = ask.after, ended = false; !ended && entries.length < ask.limit; ) {
    const args = [last, String(SLICE), wantedOf(ask, entries.length), ...conditions(ask)]
    const [position, end, rows] = arrayOf(await run('list', ...args))
    last = String(position)
    ended = String(end) === '1'
    entries.push(...ofMessage(arrayOf(rows), ask))
  }
  return entries.slice(0, ask.limit)
}

/** What is the message's and not a delivery's is compared here, so a full slice may be needed for one entry. */
function wantedOf({ filter: { sender, tag, arrivedBefore }, limit }: RedisListAsk, have: number): string {
  return String(sender === undefined && tag === undefined && arrivedBefore === undefined ? limit - have : SLICE)
}

function conditions({ filter: { lane, state, domain, sender } }: RedisListAsk): readonly string[] {
  return [
    lane ?? '',
    state === undefined ? '' : stateLetter(state),
    domain === undefined ? '' : ` ${domain.toLowerCase()} `,
    sender === undefined ? '' : inEnvelopeOf(sender),
  ]
}

/** What the JSON of an envelope with this sender holds, and that of few others. */
function inEnvelopeOf(sender: string): string {
  return JSON.stringify(sender === '' ? nullReversePath : sender.slice(0, sender.lastIndexOf('@')))
}

function ofMessage(rows: readonly RedisReply[], { filter, senderOf }: RedisListAsk): readonly EntryRecord[] {
  const { sender, tag, arrivedBefore = Number.POSITIVE_INFINITY } = filter
  return rows.map(entryRecord).filter(({ envelope, receivedAt }) => {
    if (receivedAt >= arrivedBefore || (sender !== undefined && senderOf(envelope) !== sender)) return false
    return tag === undefined || (JSON.parse(envelope) as Envelope).tag === tag
  })
}

export async function redisTotals(run: Walk): Promise<SummaryRecord> {
  const sum = { messages: 0, bytes: 0, recipientsOpen: 0, held: 0, quarantined: 0 }
  const lanes = new Map<LaneId, SummaryRecord['lanes'][number]>()
  let oldest: number | undefined
  for (let last = '', ended = false; !ended; ) {
    const [position, end, totals, perLane] = arrayOf(await run('totals', last, String(SLICE)))
    last = String(position)
    ended = String(end) === '1'
    const [messages, bytes, received, open, held, quarantined] = texts(totals)
    sum.messages += Number(messages)
    sum.bytes += Number(bytes)
    sum.recipientsOpen += Number(open)
    sum.held += Number(held)
    sum.quarantined += Number(quarantined)
    if (received !== '') oldest = Math.min(oldest ?? Number(received), Number(received))
    for (const row of arrayOf(perLane)) addLane(lanes, texts(row))
  }
  const largest = [...lanes.values()].sort((a, b) => b.deliveries - a.deliveries || (a.lane < b.lane ? -1 : 1))
  return { ...sum, oldestReceivedAt: oldest ?? null, lanes: largest.slice(0, SUMMARY_LANES_MAX) }
}

function addLane(lanes: Map<LaneId, SummaryRecord['lanes'][number]>, [name, count, oldest]: readonly string[]): void {
  const lane = name as LaneId
  const known = lanes.get(lane)
  lanes.set(lane, {
    lane,
    deliveries: (known?.deliveries ?? 0) + Number(count),
    oldestReceivedAt: Math.min(known?.oldestReceivedAt ?? Number(oldest), Number(oldest)),
  })
}

function arrayOf(reply: RedisReply | undefined): readonly RedisReply[] {
  return Array.isArray(reply) ? reply : []
}
