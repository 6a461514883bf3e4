/**
 * Lane jobs in BullMQ: a job says that a lane wants a worker, and nothing else. One job per lane and slot waits, and
 * one more while it runs (`keepLastIfActive`). Jobs never carry a delay: with delays deduplication loses wakes
 * (architecture §3). A worker that dies loses its lock, and its jobs go to others.
 */
import { Queue, Worker } from 'bullmq'
import type { LaneId } from '../../delivery/lane.ts'
import type { RedisClient } from '../../redis/adapters/redis-connection.ts'
import { LANE_JOBS, type QueueKeys } from '../../redis/keys.ts'

export interface LaneJob {
  readonly lane: LaneId
  readonly slot: number
}

export interface LaneJobsOptions {
  /** For adding jobs; not closed here. */
  readonly client: RedisClient
  /** A new connection for a worker, which closes it. */
  readonly connect: () => RedisClient
  readonly keys: QueueKeys
  /** Of the worker; BullMQ writes it to every job that it begins. */
  readonly name: string
  /** Without renewal a worker counts as dead after this time. */
  readonly lockMs: number
  /** Must not throw. */
  readonly work: (job: LaneJob) => Promise<void>
  readonly onTrouble: (error: Error) => void
}

/** The same job may be lost with its worker as often as workers die; it is the lane's only one. */
const STALLED_MAX = 1_000_000
/** After a failed command. BullMQ's 15 s are longer than we promise. */
const RETRY_MS = 500
/** Seconds of one blocking read. */
const BLOCK_S = 2
/** We read no events. */
const EVENTS_MAX = 16

export class LaneJobs {
  readonly #options: LaneJobsOptions
  readonly #queue: Queue<LaneJob>
  #worker: RunningWorker | undefined

  constructor(options: LaneJobsOptions) {
    this.#options = options
    this.#queue = new Queue<LaneJob>(LANE_JOBS, {
      connection: options.client,
      prefix: options.keys.tag,
      streams: { events: { maxLen: EVENTS_MAX } },
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    })
    this.#queue.on('error', (error) => this.#trouble(error))
  }

  async add(jobs: readonly LaneJob[]): Promise<void> {
    const [first] = jobs
    if (first === undefined) return
    // Mostly it is one, and a bulk makes a pipeline of ioredis, which binds every command that Redis has.
    if (jobs.length === 1) await this.#queue.add(LANE_JOBS, first, optionsOf(first))
    else await this.#queue.addBulk(jobs.map((job) => ({ name: LANE_JOBS, data: job, opts: optionsOf(job) })))
  }

  /** Starts to work, with a new worker and new connections when there was one. */
  work(slots: number): void {
    const old = this.#worker
    const client = this.#options.connect()
    const connections = withDuplicates(client)
    const jobs = new Worker<LaneJob>(LANE_JOBS, async ({ data }) => this.#options.work(data), {
      connection: client,
      prefix: this.#options.keys.tag,
      name: this.#options.name,
      concurrency: slots,
      lockDuration: this.#options.lockMs,
      stalledInterval: this.#options.lockMs,
      maxStalledCount: STALLED_MAX,
      runRetryDelay: RETRY_MS,
      drainDelay: BLOCK_S,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    })
    jobs.on('error', (error) => this.#trouble(error))
    this.#worker = { connections, jobs }
    if (old !== undefined) void retire(old, new Promise((resolve) => setTimeout(resolve, this.#options.lockMs).unref()))
  }

  /** Takes no more jobs and waits for those at work; `abandon` ends the waiting. */
  async rest(abandon: Promise<void>): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    if (worker === undefined) return
    await retire(worker, abandon)
  }

  /** System errors have a code in letters; BullMQ's own (a lost lock) are no outage, and told by the turn. */
  #trouble(error: Error): void {
    if ('code' in error && typeof error.code === 'string') this.#options.onTrouble(error)
  }

  close(): void {
    this.#queue.close().catch(() => undefined)
  }
}

function optionsOf({ lane, slot }: LaneJob) {
  return { deduplication: { id: `${lane}#${slot}`, keepLastIfActive: true } }
}

interface RunningWorker {
  /** Ours, and what BullMQ made from it to block on. */
  readonly connections: readonly RedisClient[]
  readonly jobs: Worker<LaneJob>
}

function withDuplicates(client: RedisClient): readonly RedisClient[] {
  const connections = [client]
  const duplicate = client.duplicate.bind(client)
  client.duplicate = (options) => {
    const made = duplicate(options)
    connections.push(made)
    return made
  }
  return connections
}

/**
 * Abandoned or not, its connections are closed: as long as Redis is away BullMQ would try to tell the end of a job, and
 * to say goodbye; and its timers would keep the process alive.
 */
async function retire({ connections, jobs }: RunningWorker, abandon: Promise<void>): Promise<void> {
  let closed = false
  const gently = jobs
    .close()
    .catch(() => undefined)
    .then(() => {
      closed = true
    })
  await Promise.race([gently, abandon])
  if (!closed) {
    // Only a close that was not begun yet can be one by force.
    jobs.closing = undefined
    jobs.close(true).catch(() => undefined)
  }
  for (const connection of connections) connection.disconnect()
}
