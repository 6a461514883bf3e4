/**
 * Long answers of the Redis spool: pages of the queue and its totals, gathered in slices between which the server
 * serves mail; so a long answer is not one moment's picture.
 */
import type { LaneId } from '../../delivery/lane.ts'
import type { EntryRecord, StoreAsk, SummaryRecord } from '../store-protocol.ts'
import { entryRecord, type RedisReply, stateLetter, texts } from './redis-records.ts'

/** Messages looked at per call: about two milliseconds of the server. */
const SLICE = 500
const SUMMARY_LANES_MAX = 200

type Walk = (name: 'list' | 'totals', ...args: readonly string[]) => Promise<RedisReply>

export async function redisList(
  run: Walk,
  { filter, limit, after, senderOf }: StoreAsk<'list'> & { readonly senderOf: (envelope: string) => string },
): Promise<readonly EntryRecord[]> {
  const state = filter.state === undefined ? '' : stateLetter(filter.state)
  const domain = filter.domain === undefined ? '' : ` ${filter.domain.toLowerCase()} `
  const entries: EntryRecord[] = []
  for (let last: string = after, ended = false; !ended && entries.length < limit; ) {
    // The sender is compared here, so a full slice may be needed for one entry.
    const wanted = filter.sender === undefined ? limit - entries.length : SLICE
    const args = [last, String(SLICE), String(wanted), filter.lane ?? '', state, domain]
    const [position, end, rows] = arrayOf(await run('list', ...args))
    last = String(position)
    ended = String(end) === '1'
    const found = arrayOf(rows).map(entryRecord)
    entries.push(...found.filter(({ envelope }) => filter.sender === undefined || senderOf(envelope) === filter.sender))
  }
  return entries.slice(0, limit)
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
