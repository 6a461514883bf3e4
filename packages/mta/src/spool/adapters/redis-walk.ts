/**
 * Long answers of the Redis spool: pages of the queue, gathered in slices between which the server
 * serves mail; so a long answer is not one moment's picture.
 */
import type { Envelope } from '../../smtp/envelope.ts'
import { nullReversePath } from '../../smtp/mail-address.ts'
import type { QueueId } from '../queue-id.ts'
import type { EntryRecord, ListAnswer, StoreAsk } from '../store-protocol.ts'
import { entryRecord, type RedisReply, stateLetter, texts } from './redis-records.ts'

/** Messages looked at per call: about two milliseconds of the server. */
const SLICE = 500

/** Messages that sets lead to are looked up one by one; of more, the walk soon meets a page of matches. */
const FEW = 5000

type Walk = (name: 'list' | 'list-these' | 'few', ...args: readonly string[]) => Promise<RedisReply>

export interface RedisListAsk extends StoreAsk<'list'> {
  readonly senderOf: (envelope: string) => string
}

export async function redisList(run: Walk, ask: RedisListAsk): Promise<ListAnswer> {
  const few = await fewMessages(run, ask)
  return await (few === undefined ? walked(run, ask) : lookedUp(run, ask, few))
}

/** Undefined: the filter leads to nothing, or to too many. */
async function fewMessages(run: Walk, { filter, after }: RedisListAsk): Promise<readonly string[] | undefined> {
  const { lane, domain } = filter
  const state = stateOf(filter)
  // What is stopped has a set of its own, which is walked.
  if ((lane === undefined && domain === undefined) || state === 'held' || state === 'quarantined') return undefined
  const ids = await run('few', lane ?? '', domain?.toLowerCase() ?? '', String(FEW))
  return Array.isArray(ids) ? texts(ids).filter((id) => id > after) : undefined
}

async function lookedUp(run: Walk, ask: RedisListAsk, ids: readonly string[]): Promise<ListAnswer> {
  const entries: EntryRecord[] = []
  for (let at = 0; at < ids.length && entries.length < ask.limit; at += SLICE) {
    const some = ids.slice(at, at + SLICE)
    const wanted = wantedOf(ask, entries.length)
    const rows = await run('list-these', wanted, ...conditions(ask), String(some.length), ...some)
    entries.push(...ofMessage(arrayOf(rows), ask))
  }
  return pageOf(entries, ask, '')
}

async function walked(run: Walk, ask: RedisListAsk): Promise<ListAnswer> {
  const entries: EntryRecord[] = []
  let last: string = ask.after
  let ended = false
  for (let looked = 0; !ended && entries.length < ask.limit && looked < ask.look; looked += SLICE) {
    const before = ask.filter.arrivedBefore
    const args = [last, String(SLICE), wantedOf(ask, entries.length), before === undefined ? '' : String(before)]
    const [position, end, rows] = arrayOf(await run('list', ...args, ...conditions(ask)))
    last = String(position)
    ended = String(end) === '1'
    entries.push(...ofMessage(arrayOf(rows), ask))
  }
  return pageOf(entries, ask, ended ? '' : last)
}

/** A page that is full goes on behind its last entry. */
function pageOf(entries: readonly EntryRecord[], { limit }: RedisListAsk, upTo: string): ListAnswer {
  const page = entries.slice(0, limit)
  const full = page.length === limit ? page.at(-1) : undefined
  return { entries: page, more: full?.id ?? (upTo as QueueId | '') }
}

/** What is the message's and not a delivery's is compared here, so a full slice may be needed for one entry. */
function wantedOf({ filter: { sender, tag, rule }, limit }: RedisListAsk, have: number): string {
  const isOfDeliveries = [sender, tag, rule].every((wanted) => wanted === undefined)
  return String(isOfDeliveries ? limit - have : SLICE)
}

function conditions({ filter }: RedisListAsk): readonly string[] {
  const { lane, domain, sender, tag } = filter
  const state = stateOf(filter)
  return [
    lane ?? '',
    state === undefined ? '' : stateLetter(state),
    domain === undefined ? '' : ` ${domain.toLowerCase()} `,
    sender === undefined ? '' : inEnvelopeOf(sender),
    tag === undefined ? '' : `"tag":${JSON.stringify(tag)}`,
  ]
}

/** What a rule stops is held. */
function stateOf({ state, rule }: RedisListAsk['filter']): RedisListAsk['filter']['state'] {
  return state ?? (rule === undefined ? undefined : 'held')
}

/** What the JSON of an envelope with this sender holds, and that of few others. */
function inEnvelopeOf(sender: string): string {
  return JSON.stringify(sender === '' ? nullReversePath : sender.slice(0, sender.lastIndexOf('@')))
}

function ofMessage(rows: readonly RedisReply[], { filter, senderOf }: RedisListAsk): readonly EntryRecord[] {
  const { sender, tag, rule, arrivedBefore = Number.POSITIVE_INFINITY } = filter
  return rows.map(entryRecord).filter(({ envelope, receivedAt, deliveries }) => {
    if (rule !== undefined && !deliveries.some((delivery) => delivery.rule === rule)) return false
    if (receivedAt >= arrivedBefore || (sender !== undefined && senderOf(envelope) !== sender)) return false
    return tag === undefined || (JSON.parse(envelope) as Envelope).tag === tag
  })
}

function arrayOf(reply: RedisReply | undefined): readonly RedisReply[] {
  return Array.isArray(reply) ? reply : []
}
