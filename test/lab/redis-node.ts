/**
 * A relay node without mail, as a process of its own that can be stopped and killed: scheduler, permits, and a turn
 * that takes due deliveries of its lane to an MX that only counts. The parent's side is `redisNode`; the child's is the
 * end of this file.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import { openRedisPermits } from '../../packages/mta/src/limits/adapters/redis-permits.ts'
import type { SiteId } from '../../packages/mta/src/limits/permits.ts'
import {
  connected,
  connectRedis,
  connectRedisForBullmq,
} from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import {
  type BullmqSchedulerLimits,
  createBullmqScheduler,
} from '../../packages/mta/src/schedule/adapters/bullmq-scheduler.ts'
import type { Turn } from '../../packages/mta/src/schedule/lane-scheduler.ts'

export interface NodeSettings {
  readonly redis: string
  readonly queue: string
  readonly mx: string
  readonly slots: number
  readonly limits: Partial<BullmqSchedulerLimits>
  /** All lanes share one site; undefined: no permits are asked for. */
  readonly permits?: { readonly concurrency: number; readonly leaseMs: number }
  /** How long the MX is spoken to per delivery. */
  readonly transactionMs: number
}

const SITE = 'mx.example.com:25' as SiteId
const START_MS = 10_000
const BATCH = 10
/** Nobody polls: a lane in line that was not called would fail its test. */
const PARKED_MS = 60_000

/** Starts one; resolves when it gives turns. */
export async function redisNode(settings: NodeSettings): Promise<ChildProcess> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(settings)], { stdio: 'inherit' })
  await once(child, 'message')
  return child
}

export interface CountingMx extends AsyncDisposable {
  readonly socket: string
  /** How often each delivery came to its end. */
  readonly delivered: ReadonlyMap<string, number>
  /** Transactions open now, of these processes or of all. */
  open(except?: ReadonlySet<number>): number
  /** Called whenever a transaction begins. */
  onBegin: () => void
}

/** Each connection is one transaction: the client says `<pid> <delivery>`, holds it, says QUIT, and gets an answer. */
export async function countingMx(directory: string): Promise<CountingMx> {
  const socket = join(directory, 'mx.sock')
  const open = new Map<symbol, number>()
  const delivered = new Map<string, number>()
  const mx: CountingMx = {
    socket,
    delivered,
    open: (except) => [...open.values()].filter((pid) => !except?.has(pid)).length,
    onBegin: () => {},
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
  const server = createServer((stream) => {
    const transaction = Symbol('transaction')
    let text = ''
    let begun = false
    stream.setEncoding('latin1')
    stream.on('data', (chunk: string) => {
      text += chunk
      const [greeting, quit] = text.split('\n')
      const [pid = '', delivery = ''] = greeting?.split(' ') ?? []
      if (!begun && text.includes('\n')) {
        begun = true
        open.set(transaction, Number(pid))
        mx.onBegin()
      }
      if (quit !== 'QUIT') return
      delivered.set(delivery, (delivered.get(delivery) ?? 0) + 1)
      open.delete(transaction)
      stream.end('250\n')
    })
    stream.on('error', () => open.delete(transaction))
    stream.on('close', () => open.delete(transaction))
  })
  server.listen(socket)
  await once(server, 'listening')
  return mx
}

async function transact(mx: string, delivery: string, ms: number): Promise<void> {
  const stream = connect(mx)
  await once(stream, 'connect')
  stream.write(`${process.pid} ${delivery}\n`)
  await new Promise((resolve) => setTimeout(resolve, ms))
  stream.write('QUIT\n')
  await once(stream.resume(), 'close')
}

async function runNode(settings: NodeSettings): Promise<void> {
  const { redis: url, queue, slots, limits } = settings
  const keys = queueKeys(queue)
  const [client, spool] = [connectRedis({ url }), connectRedis({ url })]
  await Promise.all([connected(client, START_MS), connected(spool, START_MS)])
  const monotonic = (): number => performance.now()
  const scheduler = createBullmqScheduler({
    client,
    connectForJobs: () => connectRedisForBullmq({ url }),
    keys,
    now: () => Date.now(),
    monotonic,
    emit: () => {},
    limits,
  })
  const permits =
    settings.permits === undefined
      ? undefined
      : await openRedisPermits({
          client: connectRedis({ url }),
          listener: connectRedis({ url }),
          keys,
          limitsOf: () => ({ concurrency: settings.permits?.concurrency ?? 1 }),
          monotonic,
          emit: () => {},
          leaseMs: settings.permits.leaseMs,
        })
  const turn: Turn = async (lane: LaneId, context) => {
    const permit = await permits?.acquire(SITE, () => scheduler.wake(lane), lane)
    if (permits !== undefined && permit === undefined) return { kind: 'parked', retryAfterMs: PARKED_MS }
    try {
      const due = await spool.zrangebyscore(keys.laneDue(lane), '-inf', Date.now(), 'LIMIT', 0, BATCH)
      for (const delivery of due) {
        if (permit?.isHeld() === false) break
        await transact(settings.mx, delivery, settings.transactionMs)
        await spool.zrem(keys.laneDue(lane), delivery)
        context.progressed()
      }
      return due.length === 0 ? { kind: 'idle' } : { kind: 'more' }
    } finally {
      permit?.release('good')
    }
  }
  await scheduler.run(turn, { slots })
  process.once('disconnect', () => process.exit(0))
  process.send?.('ready')
}

const [, program, words] = process.argv
if (program === fileURLToPath(import.meta.url) && words !== undefined) await runNode(JSON.parse(words) as NodeSettings)
