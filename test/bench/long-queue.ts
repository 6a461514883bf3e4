/**
 * What the length of the queue costs the embedded engine: one spool grows from stage to stage, and at each a process of
 * its own opens it, delivers from it, in turns with a short queue beside it, and lists it. Aims: a start within 5 s, memory that does not grow, claims at 90 %
 * of their rate with a short queue, a page of a list in less than 100 ms.
 *
 *   ./tools/node test/bench/long-queue.ts [messages…]      (1000 100000 200000 1000000; some 6 GB of temporary disk)
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDomainName } from '@hermetic/policy'
import { type LaneId, laneId } from '../../packages/mta/src/delivery/lane.ts'
import { problemOf } from '../../packages/mta/src/delivery/problem.ts'
import type { MailAddress } from '../../packages/mta/src/smtp/mail-address.ts'
import { openSqliteSpool } from '../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import { newQueueId } from '../../packages/mta/src/spool/queue-id.ts'
import type { Claim, NewMessage, QueueFilter } from '../../packages/mta/src/spool/spool.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { median } from './statistics.ts'

const SHORT = 1_000
const STAGES = [1_000, 100_000, 200_000, 1_000_000]
/** Half of the mail goes to a few domains, from which claims are timed, half to many. */
const LARGE_DOMAINS = 50
const DOMAINS = 5_000
const SENDERS = 2_000
const CONTENT = Buffer.from(`Subject: bench\r\n\r\n${'x'.repeat(1_000)}\r\n`)
const IN_FLIGHT = 500
const MAX_BYTES = 64 * 1024 ** 3
const WARM_UP = 1_000
const CLAIMS = 3_000
/** In turns with the short queue, who is first in turns too: what else the machine does then hits both. */
const ROUNDS = 8
const CLAIM_BATCH = 10
const LANES_AT_ONCE = 10
const LEASE_MS = 300_000
const PAGE = 100
const PAGES_TIMED = 5

interface Measured {
  readonly startMs: number
  readonly rssMiB: number
  /** Always the same few messages come again, as in the short queue: what is left of a difference is the length. */
  readonly same: Compared
  /** Each message once: what was not touched since it came is read from the file. */
  readonly fresh: Speed
  readonly pageMs: Readonly<Record<string, number>>
  readonly summaryMs: number
}

interface Speed {
  /** Claimed and settled. */
  readonly perSecond: number
  readonly cpuUs: number
}

interface Compared extends Speed {
  /** Medians of the ratios that each round made: this queue ÷ the short one. */
  readonly rateRatio: number
  readonly cpuRatio: number
}

if (process.send === undefined) await main(process.argv.slice(2).map(Number))
else process.send(await measured(process.argv[2] ?? '', process.argv[3] ?? ''))

async function main(wanted: readonly number[]): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'hermetic-long-queue-'))
  const shortDir = mkdtempSync(join(tmpdir(), 'hermetic-short-queue-'))
  let filled = 0
  try {
    await fill(shortDir, 0, SHORT)
    for (const stage of wanted.length === 0 ? STAGES : wanted) {
      const from = process.cpuUsage()
      await fill(dataDir, filled, stage)
      const { user, system } = process.cpuUsage(from)
      const acceptUs = (user + system) / Math.max(1, stage - filled)
      filled = stage
      const { startMs, rssMiB, same, fresh, pageMs, summaryMs } = await inChild(dataDir, shortDir)
      const pages = Object.entries(pageMs).map(([by, ms]) => `${by} ${ms.toFixed(1)}`)
      console.log(
        `${stage} messages: start ${startMs.toFixed(0)} ms, ${rssMiB.toFixed(0)} MiB resident, ${acceptUs.toFixed(0)} µs CPU an accept`,
      )
      console.log(
        `  claimed and settled: ${speedText(same)}; ÷ ${SHORT} messages: rate ${percent(same.rateRatio)}, CPU ${percent(same.cpuRatio)}`,
      )
      console.log(`  each message once: ${speedText(fresh)}; summary ${summaryMs.toFixed(0)} ms`)
      console.log(`  slowest page of ${PAGE}, ms: ${pages.join(', ')}`)
    }
  } finally {
    rmSync(dataDir, { recursive: true })
    rmSync(shortDir, { recursive: true })
  }
}

function speedText({ perSecond, cpuUs }: Speed): string {
  return `${perSecond.toFixed(0)} a second, ${cpuUs.toFixed(0)} µs CPU`
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(0)} %`
}

async function fill(dataDir: string, from: number, to: number): Promise<void> {
  const spool = await opened(dataDir)
  let next = from
  const accept = async (): Promise<void> => {
    while (next < to) {
      const outcome = await spool.accept(message(next++))
      if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, accept))
  await spool.close()
}

function inChild(...dataDirs: readonly [long: string, short: string]): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, dataDirs, { execArgv: process.execArgv })
    child.once('message', (told) => resolve(told as Measured))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)))
  })
}

async function measured(dataDir: string, shortDir: string): Promise<Measured> {
  const from = performance.now()
  const spool = await opened(dataDir)
  await spool.dueLanes({ before: Date.now(), limit: 1 })
  const startMs = performance.now() - from
  await deliver(spool, WARM_UP, dueAsBefore)
  const rssMiB = process.memoryUsage.rss() / 2 ** 20
  const same = await inTurns(spool, shortDir)
  const fresh = await deliver(spool, CLAIMS, dueBehindAll)
  const pageMs: Record<string, number> = {}
  for (const [by, filter] of Object.entries(filters())) pageMs[by] = await slowestPage(spool, filter)
  const before = performance.now()
  await spool.admin.summary()
  const summaryMs = performance.now() - before
  await spool.close()
  return { startMs, rssMiB, same, fresh, pageMs, summaryMs }
}

async function inTurns(spool: StoredSpool, shortDir: string): Promise<Compared> {
  const beside = await opened(shortDir)
  await deliver(beside, WARM_UP, dueAsBefore)
  const rounds: (readonly [long: Speed, short: Speed])[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const first = round % 2 === 0 ? spool : beside
    const one = await deliver(first, CLAIMS, dueAsBefore)
    const other = await deliver(first === spool ? beside : spool, CLAIMS, dueAsBefore)
    rounds.push(first === spool ? [one, other] : [other, one])
  }
  await beside.close()
  return {
    perSecond: median(rounds.map(([long]) => long.perSecond)),
    cpuUs: median(rounds.map(([long]) => long.cpuUs)),
    rateRatio: median(rounds.map(([long, short]) => long.perSecond / short.perSecond)),
    cpuRatio: median(rounds.map(([long, short]) => long.cpuUs / short.cpuUs)),
  }
}

/** Every claim ends deferred and is due again, so that the queue stays as long as it is. */
async function deliver(spool: StoredSpool, count: number, due: DueAgain): Promise<Speed> {
  const from = performance.now()
  const cpuFrom = process.cpuUsage()
  let done = 0
  let next = 0
  const work = async (): Promise<void> => {
    for (let empty = 0; done < count && empty < LARGE_DOMAINS; ) {
      const claims = await spool.claim(lane(next++ % LARGE_DOMAINS), { limit: CLAIM_BATCH, leaseMs: LEASE_MS })
      empty = claims.length === 0 ? empty + 1 : 0
      await Promise.all(claims.map((claim) => putOff(spool, claim, due(claim))))
      done += claims.length
    }
  }
  await Promise.all(Array.from({ length: LANES_AT_ONCE }, work))
  const { user, system } = process.cpuUsage(cpuFrom)
  return { perSecond: done / ((performance.now() - from) / 1_000), cpuUs: (user + system) / done }
}

type DueAgain = (claim: Claim) => number

/** Before all that was never claimed. */
function dueAsBefore({ receivedAt }: Claim): number {
  return receivedAt
}

function dueBehindAll(): number {
  return Date.now()
}

async function putOff(spool: StoredSpool, { token, recipients }: Claim, dueAt: number): Promise<void> {
  const at = Date.now()
  const problem = problemOf({ kind: 'connect-failed', code: 'ECONNREFUSED' }, { at })
  const outcomes = recipients.map(({ index }) => ({ kind: 'deferred', index, problem, dueAt }) as const)
  await spool.settle(token, { id: `${token}/1`, outcomes, enqueue: [], marks: {} })
}

/** Of the middle of the queue, where a filter has most to pass over; and of what nobody has. */
function filters(): Readonly<Record<string, QueueFilter>> {
  return {
    all: {},
    'large lane': { lane: lane(7) },
    'small lane': { lane: lane(77) },
    'large domain': { domain: domain(7) },
    'small domain': { domain: domain(77) },
    'no such domain': { domain: 'nobody.example' },
    sender: { sender: `s7@bench.example` },
    'no such sender': { sender: 'nobody@bench.example' },
    held: { state: 'held' },
  }
}

async function slowestPage(spool: StoredSpool, filter: QueueFilter): Promise<number> {
  let slowest = 0
  let page: { limit: number; after?: NewMessage['id'] } = { limit: PAGE }
  for (let n = 0; n < PAGES_TIMED; n += 1) {
    const before = performance.now()
    const entries = await spool.admin.list(filter, page)
    slowest = Math.max(slowest, performance.now() - before)
    const after = entries.at(-1)?.id
    if (after === undefined) break
    page = { limit: PAGE, after }
  }
  return slowest
}

async function opened(dataDir: string): Promise<StoredSpool> {
  const spool = await openSqliteSpool({ dataDir, maxBytes: MAX_BYTES, emit: () => undefined })
  if (!spool.ok) throw new Error(JSON.stringify(spool.error))
  return spool.value
}

function domain(n: number): string {
  return `d${n}.bench.example`
}

function domainOf(n: number): number {
  const half = Math.floor(n / 2)
  return n % 2 === 0 ? half % LARGE_DOMAINS : LARGE_DOMAINS + (half % DOMAINS)
}

function address(localPart: string, name: string): MailAddress {
  const parsed = parseDomainName(name)
  if (!parsed.ok) throw new Error(name)
  return { localPart, domain: { kind: 'name', name: parsed.value } }
}

function lane(n: number): LaneId {
  return laneId({ kind: 'mx', nextHop: address('x', domain(n)).domain, port: 25 })
}

function message(n: number): NewMessage {
  const receivedAt = Date.now()
  return {
    id: newQueueId(),
    envelope: {
      reversePath: address(`s${n % SENDERS}`, 'bench.example'),
      ...({ body: '7bit', smtpUtf8: false, tls: 'default', dsn: {} } as const),
      size: CONTENT.byteLength,
      origin: { kind: 'network', address: '192.0.2.1' },
    },
    recipients: [{ index: 0, address: address(`r${n}`, domain(domainOf(n))) }],
    deliveries: [{ lane: lane(domainOf(n)), recipients: [0] }],
    receivedAt,
    expiresAt: receivedAt + 5 * 86_400_000,
    content: { kind: 'memory', bytes: CONTENT },
  }
}
