/**
 * Totals of the queue, and what waits by name and age: sums over indexes that have all columns that are asked for, so
 * that no content is read. In slices, between which the store's thread serves mail; so they are not one moment's picture.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { NOTICE_LANE } from '../../bounce/notice-lane.ts'
import { MAIL_CLASSES, noneOfClasses } from '../mail-class.ts'
import { domainOfLane, largestTags, QueueTally } from '../queue-tally.ts'
import type { ShapeBy } from '../spool.ts'
import type { QueueShapeRecord, SummaryAnswer, SummaryRecord } from '../store-protocol.ts'
import type { Ask } from './sqlite-protocol.ts'
import type { Sliced } from './sqlite-queue-view.ts'
import { QUEUED, stateCode } from './sqlite-records.ts'

/** Rows of an index that are summed before mail is served again: some ten milliseconds. More of them have fewer sums. */
const SLICE_ROWS = 20_000

/** What stands behind the last @; an address has one at least. */
const SENDER_DOMAIN = `substr(sender, length(rtrim(sender, replace(sender, '@', ''))) + 1)`
const TAG = `envelope ->> '$.tag'`

interface Part {
  readonly name: string
  readonly domains: string
  readonly ageClass: number
  readonly count: number
  readonly oldest: number
  readonly amount: number
}

/** An index, walked in the order of its first two columns. */
interface Walk {
  readonly table: string
  readonly index: string
  readonly where: string
  readonly first: string
  /** Not more than any value of the first. */
  readonly least: SQLInputValue
  /** Undefined: all have one. */
  readonly name: string | undefined
  /** Undefined: they do not matter. */
  readonly domains?: string
  readonly amount: string
}

const DELIVERIES: Walk = {
  ...{ table: 'delivery', index: 'delivery_age', where: `state = ${QUEUED}`, first: 'expires_at' },
  ...{ least: Number.MIN_SAFE_INTEGER, name: 'lane', amount: 'open' },
}
/** The class is one digit before the lane. */
const BY_CLASS: Walk = { ...DELIVERIES, name: 'class || lane' }
const BY_DOMAIN: Walk = { ...DELIVERIES, domains: `iif(lane GLOB 'mx:*', '', domains)` }
const SENDERS: Walk = {
  ...{ table: 'message', index: 'message_sender', where: 'true', first: 'sender' },
  ...{ least: '', name: SENDER_DOMAIN, amount: 'size' },
}
/** One sum of all. */
const MESSAGES: Walk = { ...SENDERS, name: undefined }

export class QueueShape {
  readonly #db: DatabaseSync
  readonly #stopped: StatementSync

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#stopped = db.prepare(`
      SELECT state, rule IS NOT NULL AS ruled, count(*) AS count, coalesce(sum(open), 0) AS open
      FROM delivery INDEXED BY delivery_stopped WHERE state IN (1, 2) GROUP BY 1, 2`)
  }

  *summary({ lanes: told }: Ask<'summary'>): Sliced<SummaryAnswer> {
    const all = { messages: 0, bytes: 0, oldestReceivedAt: null as number | null }
    for (const parts of slices(this.#db, MESSAGES, [])) {
      for (const { count, amount, oldest } of parts) {
        all.messages += count
        all.bytes += amount
        all.oldestReceivedAt = Math.min(all.oldestReceivedAt ?? oldest, oldest)
      }
      yield
    }
    const edges = told?.edges ?? []
    const lanes = new QueueTally(edges.length)
    const classes = noneOfClasses()
    const stopped = this.#counted()
    let { recipientsOpen } = stopped
    for (const parts of slices(this.#db, BY_CLASS, edges)) {
      for (const part of parts) {
        lanes.add(part.name.slice(1), part)
        classes[MAIL_CLASSES[Number(part.name[0])] ?? 'normal'] += part.count
        recipientsOpen += part.amount
      }
      yield
    }
    const tags = new QueueTally(0)
    for (const parts of tagSlices(this.#db, [])) {
      for (const part of parts) tags.add(part.name, part)
      yield
    }
    const shape = told === undefined ? {} : { laneShape: lanes.shape(told.limit) }
    return { ...all, ...stopped, recipientsOpen, classes, ...lanes.lanes(), tags: largestTags(tags), ...shape }
  }

  *shape({ by, edges, limit }: Ask<'shape'>): Sliced<QueueShapeRecord> {
    const tally = new QueueTally(edges.length)
    const walk = by === 'tag' ? tagSlices(this.#db, edges) : slices(this.#db, WALKS[by], edges)
    for (const parts of walk) {
      for (const part of parts) for (const name of namesOf(by, part)) tally.add(name, part)
      yield
    }
    return tally.shape(limit)
  }

  #counted(): Pick<SummaryRecord, 'recipientsOpen' | 'held' | 'heldByRules' | 'quarantined'> {
    const sums = { recipientsOpen: 0, held: 0, heldByRules: 0, quarantined: 0 }
    type Row = { state: number; ruled: number; count: number; open: number }
    for (const { state, ruled, count, open } of this.#stopped.all() as unknown as Row[]) {
      sums.recipientsOpen += open
      if (state === stateCode('quarantined')) sums.quarantined += count
      else {
        sums.held += count
        if (ruled === 1) sums.heldByRules += count
      }
    }
    return sums
  }
}

const WALKS = { lane: DELIVERIES, domain: BY_DOMAIN, sender: SENDERS } as const

/** A delivery of a route may have recipients in several domains, and counts for each. */
function namesOf(by: ShapeBy, { name, domains }: Part): readonly string[] {
  if (by !== 'domain') return [name]
  if (name === NOTICE_LANE) return []
  const domain = domainOfLane(name)
  return domain === undefined ? domains.trim().split(' ') : [domain]
}

function* slices(db: DatabaseSync, walk: Walk, edges: readonly number[]): Generator<readonly Part[]> {
  const { table, index, where, first, name, domains, amount } = walk
  const source = `FROM ${table} INDEXED BY ${index} WHERE ${where}`
  const beyond = `(${first}, received_at) > (?, ?)`
  const end = db.prepare(`
    SELECT ${first} AS first, received_at AS second ${source} AND ${beyond}
    ORDER BY ${first}, received_at LIMIT 1 OFFSET ${SLICE_ROWS}`)
  const groups = [name, domains, edges.length === 0 ? undefined : ageClassOf(edges)]
  const grouped = groups.filter((group) => group !== undefined)
  const by = grouped.length === 0 ? '' : `GROUP BY ${grouped.map((_, at) => at + 1).join(', ')}`
  const sums = `count(*), min(received_at), sum(${amount})`
  const columns = `SELECT ${[...grouped, sums].join(', ')} ${source}`
  const upTo = db.prepare(`${columns} AND ${beyond} AND (${first}, received_at) <= (?, ?) ${by}`)
  const rest = db.prepare(`${columns} AND ${beyond} ${by}`)
  // A long queue has many sums: as lists they cost half.
  for (const statement of [upTo, rest]) statement.setReturnArrays(true)
  type Place = { first: SQLInputValue; second: number }
  let last: Place = { first: walk.least, second: Number.MIN_SAFE_INTEGER }
  for (;;) {
    const next = end.get(last.first, last.second) as unknown as Place | undefined
    const from = [...edges, last.first, last.second]
    const rows = next === undefined ? rest.all(...from) : upTo.all(...from, next.first, next.second)
    yield (rows as unknown as Row[]).map((row) => partOf(row, groups)).filter(({ count }) => count > 0)
    if (next === undefined) return
    last = next
  }
}

type Row = readonly (string | number)[]

/** In the order of the groups, as far as there are any; then the sums. */
function partOf(row: Row, [name, domains, ageClass]: readonly (string | undefined)[]): Part {
  let at = 0
  return {
    name: name === undefined ? '' : String(row[at++]),
    domains: domains === undefined ? '' : String(row[at++]),
    ageClass: ageClass === undefined ? 0 : Number(row[at++]),
    count: Number(row[at++]),
    oldest: Number(row[at++]),
    amount: Number(row[at]),
  }
}

/** How many of the edges lie behind its arrival; each is a parameter. */
function ageClassOf(edges: readonly number[]): string {
  return edges.length === 0 ? '0' : edges.map(() => '(received_at < ?)').join(' + ')
}

/** One tag after the other: SQLite searches an index of an expression by one value of it, and not by a row of values. */
function* tagSlices(db: DatabaseSync, edges: readonly number[]): Generator<readonly Part[]> {
  const source = `FROM message INDEXED BY message_tag WHERE ${TAG} IS NOT NULL`
  const nextTag = db.prepare(`SELECT ${TAG} AS tag ${source} AND ${TAG} > ? ORDER BY ${TAG} LIMIT 1`)
  const from = `${source} AND ${TAG} = ? AND received_at > ?`
  const end = db.prepare(`SELECT received_at AS at ${from} ORDER BY received_at LIMIT 1 OFFSET ${SLICE_ROWS}`)
  const part = db.prepare(`
    SELECT ${ageClassOf(edges)} AS ageClass, count(*) AS count, min(received_at) AS oldest
    ${from} AND received_at <= ? GROUP BY 1`)
  type Sum = Pick<Part, 'ageClass' | 'count' | 'oldest'>
  for (let tag = nextOf(nextTag, ''); tag !== undefined; tag = nextOf(nextTag, tag)) {
    const name = tag
    for (let last = Number.MIN_SAFE_INTEGER; last < Number.MAX_SAFE_INTEGER; ) {
      const upTo = (end.get(name, last) as { at: number } | undefined)?.at ?? Number.MAX_SAFE_INTEGER
      const sums = part.all(...edges, name, last, upTo) as unknown as Sum[]
      yield sums.map((sum) => ({ ...sum, name, domains: '', amount: sum.count }))
      last = upTo
    }
  }
}

function nextOf(statement: StatementSync, tag: string): string | undefined {
  return (statement.get(tag) as { tag: string } | undefined)?.tag
}
