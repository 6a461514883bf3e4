/**
 * One run of reports in a process of its own, over the real store, the real queue and the real client, which dies by
 * SIGKILL at a step that its parent names: before or after any call of a port. Ends with what is in the store and in
 * the queue, as JSON.
 */
import { createHash } from 'node:crypto'
import { createStubResolver, GuardedHttps, judgeAddress, parseCidr, type Result } from '@hermetic/policy'
import {
  openSqliteResultStore,
  RedisResultStore,
  type ResultStore,
  runReports,
  submitByHttps,
  submitByMail,
  utcDayOf,
} from '@hermetic/reporter'
import { laneFor, routeTable } from '../../packages/mta/src/delivery/routing.ts'
import { connected, connectRedis } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { createQueueMailer } from '../../packages/mta/src/reporting/queue-mailer.ts'
import { createReportSigner } from '../../packages/mta/src/reporting/report-signer.ts'
import { parseSigningKey } from '../../packages/mta/src/signing/signing-key.ts'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { openSqliteSpool } from '../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import type { QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import type { AcceptOutcome, NewMessage } from '../../packages/mta/src/spool/spool.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { domainName } from './policy-host-world.ts'

export interface ReportRunTask {
  readonly dataDir: string
  readonly dns: { readonly address: string; readonly port: number }
  readonly ca: string
  readonly pem: string
  /** UTC milliseconds. */
  readonly now: number
  /** 0: lives. */
  readonly dieAt: number
  /** Where results are shared with other runs; absent: in `dataDir`. */
  readonly redis?: string
  /** The queue is shared there as well; its large contents are in this directory. */
  readonly sharedContent?: string
  /** Dies when the queue has a mail, and before anybody knows. */
  readonly dieQueued?: boolean
}

export interface ReportRunEnd {
  readonly steps: number
  readonly unfinished: number
  readonly targets: readonly string[]
  readonly mails: readonly { readonly recipient: string; readonly sha256: string }[]
}

const task = JSON.parse(process.argv[2] ?? '') as ReportRunTask
let steps = 0

function step(): void {
  steps += 1
  if (steps === task.dieAt) process.kill(process.pid, 'SIGKILL')
}

function stepping<A extends readonly unknown[], T>(call: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  return async (...args) => {
    step()
    const answer = await call(...args)
    step()
    return answer
  }
}

function steppingStore(store: ResultStore): ResultStore {
  return {
    storeId: stepping(() => store.storeId()),
    addBatch: stepping((...args) => store.addBatch(...args)),
    tally: stepping((...args) => store.tally(...args)),
    openDays: stepping((...args) => store.openDays(...args)),
    closeDay: stepping((...args) => store.closeDay(...args)),
    claimReport: stepping((...args) => store.claimReport(...args)),
    expedite: stepping((...args) => store.expedite(...args)),
    admit: stepping((...args) => store.admit(...args)),
    days: stepping(() => store.days()),
    reports: stepping((...args) => store.reports(...args)),
    mark: stepping((...args) => store.mark(...args)),
    forget: stepping((...args) => store.forget(...args)),
  }
}

const now = (): number => task.now
const opened = await openStore()
const spool = await openQueue()
const key = parseSigningKey(task.pem)
const loopback = parseCidr('127.0.0.0/8')
if (!spool.ok || !key.ok || !loopback.ok) throw new Error('the world of the test is not as it should be')
const resolver = createStubResolver({ servers: [task.dns], trust: 'none' })
const https = new GuardedHttps({
  resolver,
  guard: (address, port) => judgeAddress(address, { exceptions: [loopback.value], ownListeners: [], port }),
  ca: [task.ca],
})
const domain = domainName('sender.example')
const signer = createReportSigner([
  { domain, selector: 's1', key: key.value, subdomains: false, header: 'relaxed', body: 'relaxed' },
])
const mailer = createQueueMailer({
  spool: { accept: stepping(queue), health: () => spool.value.health() },
  laneFor: (mail) => laneFor(mail, { port: 25, routes: routeTable([]) }),
  onQueued: () => undefined,
  now,
})
await runReports(
  {
    ...{ store: steppingStore(opened.store), resolver, now },
    reporter: { organizationName: 'Sender', contactInfo: `tlsrpt@${domain}` },
    submit: {
      mailto: (stored, target, time) => submitByMail(stored, target, { mailer, signer, ...time }),
      https: (stored, target, signal) =>
        submitByHttps(stored, target, { https: { post: stepping((request) => https.post(request)) }, signal }),
    },
    monotonic: () => performance.now(),
    random: Math.random,
    // Others than the first two would only ask in vain.
    atOnce: 2,
    emit: () => undefined,
  },
  { signal: new AbortController().signal },
)
process.stdout.write(JSON.stringify(await ended(opened.store)))
await spool.value.close()
opened.close()
resolver.close()

function openQueue(): Promise<Result<StoredSpool, unknown>> {
  const options = {
    ...{ dataDir: task.dataDir, maxBytes: 256 * 1024 * 1024, setAsideAfterDeaths: 2 },
    emit: () => undefined,
  }
  if (task.redis === undefined || task.sharedContent === undefined) return openSqliteSpool(options)
  const shared = {
    address: { url: task.redis },
    queue: 'reports-queue',
    durability: 'strict',
    contentDir: task.sharedContent,
  } as const
  return openRedisSpool({ ...options, ...shared })
}

async function queue(message: NewMessage): Promise<AcceptOutcome> {
  if (!spool.ok) throw new Error('the queue is open')
  const answer = await spool.value.accept(message)
  if (task.dieQueued === true) process.kill(process.pid, 'SIGKILL')
  return answer
}

async function openStore(): Promise<{ readonly store: ResultStore; close(): void }> {
  if (task.redis !== undefined) {
    const client = connectRedis({ url: task.redis })
    if (!(await connected(client, 5_000))) throw new Error('no Redis')
    return { store: new RedisResultStore({ client, name: 'reports', now }), close: () => client.disconnect() }
  }
  const file = openSqliteResultStore({ dataDir: task.dataDir, now })
  if (!file.ok) throw new Error(file.error.kind)
  return { store: file.value, close: () => file.value.close() }
}

async function ended(store: ResultStore): Promise<ReportRunEnd> {
  if (!spool.ok) throw new Error('the queue is open')
  const reports = (await Promise.all((await store.days()).map((day) => store.reports(day, { limit: 100 })))).flat()
  const entries = await spool.value.admin.list({}, { limit: 100 })
  return {
    steps,
    unfinished: reports.filter(({ done, day }) => !done && day < utcDayOf(task.now)).length,
    targets: reports.flatMap(({ targets }) => targets.map(({ uri, state }) => `${uri} ${state}`)).toSorted(),
    mails: await Promise.all(
      entries.map(async ({ id, deliveries }) => ({
        recipient: deliveries.flatMap(({ recipients }) => recipients.map(({ address }) => address.localPart)).join(),
        sha256: await contentHash(id),
      })),
    ),
  }
}

async function contentHash(id: QueueId): Promise<string> {
  if (!spool.ok) throw new Error('the queue is open')
  const content = await spool.value.open(id)
  const bytes = content.kind === 'memory' ? content.bytes : Buffer.concat(await content.open().toArray())
  return createHash('sha256').update(bytes).digest('hex')
}
