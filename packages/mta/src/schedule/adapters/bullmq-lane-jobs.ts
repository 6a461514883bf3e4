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
    if (jobs.length === 0) return
    await this.#queue.addBulk(
      jobs.map((job) => ({
        name: LANE_JOBS,
        data: job,
        opts: { deduplication: { id: `${job.lane}#${job.slot}`, keepLastIfActive: true } },
      })),
    )
  }

  /** Starts to work, with a new worker and new connections when there was one. */
  work(slots: number): void {
    const old = this.#worker
    const client = this.#options.connect()
    const jobs = new Worker<LaneJob>(LANE_JOBS, async ({ data }) => this.#options.work(data), {
      connection: client,
      prefix: this.#options.keys.tag,
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
    this.#worker = { client, jobs }
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

interface RunningWorker {
  readonly client: RedisClient
  readonly jobs: Worker<LaneJob>
}

/** Abandoned or not, its connection is closed: BullMQ would try to tell the end of a job as long as Redis is away. */
async function retire({ client, jobs }: RunningWorker, abandon: Promise<void>): Promise<void> {
  await Promise.race([jobs.close().catch(() => undefined), abandon])
  client.disconnect()
}
