/**
 * Totals of the Redis spool, and what waits by name and age: gathered in slices between which the server serves mail; so
 * they are not one moment's picture.
 */
import { formatDomain, type MailDomain } from '../../smtp/mail-address.ts'
import { noneOfClasses } from '../mail-class.ts'
import { domainOfLane, largestTags, QueueTally } from '../queue-tally.ts'
import type { QueueShapeRecord, StoreAsk, SummaryAnswer } from '../store-protocol.ts'
import { type RedisReply, texts } from './redis-records.ts'

/** Messages looked at per call: about two milliseconds of the server. */
const SLICE = 500

type Walk = (name: 'shape', ...args: readonly string[]) => Promise<RedisReply>

export async function redisShape(run: Walk, { by, edges, limit }: StoreAsk<'shape'>): Promise<QueueShapeRecord> {
  const tally = new QueueTally(edges.length)
  await walked(run, [by, String(edges.length), ...edges.map(String)], (_, sums) => {
    for (const { name, ...sum } of sums) tally.add(nameOf(by, name), sum)
  })
  return tally.shape(limit)
}

function nameOf(by: StoreAsk<'shape'>['by'], name: string): string {
  if (by === 'domain') return domainOfLane(name) ?? name
  return by === 'sender' && name !== '' ? formatDomain(JSON.parse(name) as MailDomain) : name
}

export async function redisTotals(run: Walk, { lanes: told }: StoreAsk<'summary'>): Promise<SummaryAnswer> {
  const all = { messages: 0, bytes: 0, recipientsOpen: 0, held: 0, heldByRules: 0, quarantined: 0 }
  const classes = noneOfClasses()
  const edges = told?.edges ?? []
  const lanes = new QueueTally(edges.length)
  const tags = new QueueTally(0)
  let oldestReceivedAt: number | null = null
  await walked(run, ['totals', String(edges.length), ...edges.map(String)], (totals, sums) => {
    const [messages, bytes, oldest, open, held, ruled, quarantined, urgent, normal, bulk] = totals
    all.messages += Number(messages)
    all.bytes += Number(bytes)
    all.recipientsOpen += Number(open)
    all.held += Number(held)
    all.heldByRules += Number(ruled)
    all.quarantined += Number(quarantined)
    classes.urgent += Number(urgent)
    classes.normal += Number(normal)
    classes.bulk += Number(bulk)
    if (oldest !== '') oldestReceivedAt = Math.min(oldestReceivedAt ?? Number(oldest), Number(oldest))
    for (const { name, ...sum } of sums) {
      const [kind, ...rest] = name.split(' ')
      if (kind === 'tag') tags.add(rest.join(' '), { ...sum, ageClass: 0 })
      else lanes.add(rest.join(' '), sum)
    }
  })
  const shape = told === undefined ? {} : { laneShape: lanes.shape(told.limit) }
  return { ...all, classes, oldestReceivedAt, ...lanes.lanes(), tags: largestTags(tags), ...shape }
}

interface Sum {
  readonly name: string
  readonly ageClass: number
  readonly count: number
  readonly oldest: number
}

async function walked(
  run: Walk,
  asked: readonly string[],
  take: (totals: readonly string[], sums: readonly Sum[]) => void,
): Promise<void> {
  for (let last = '', ended = false; !ended; ) {
    const [position, end, totals, found] = arrayOf(await run('shape', last, String(SLICE), ...asked))
    last = String(position)
    ended = String(end) === '1'
    const sums = arrayOf(found).map((row): Sum => {
      const [name = '', ageClass, count, oldest] = texts(row)
      return { name, ageClass: Number(ageClass), count: Number(count), oldest: Number(oldest) }
    })
    take(texts(totals), sums)
  }
}

function arrayOf(reply: RedisReply | undefined): readonly RedisReply[] {
  return Array.isArray(reply) ? reply : []
}
