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
  /** A new connection for BullMQ; closed with the jobs. */
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
const BLOCK_S = 5
/** We read no events. */
const EVENTS_MAX = 16

export class LaneJobs {
  readonly #options: LaneJobsOptions
  readonly #client: RedisClient
  readonly #queue: Queue<LaneJob>
  #worker: { readonly client: RedisClient; readonly jobs: Worker<LaneJob> } | undefined

  constructor(options: LaneJobsOptions) {
    this.#options = options
    this.#client = options.connect()
    this.#queue = new Queue<LaneJob>(LANE_JOBS, {
      connection: this.#client,
      prefix: options.keys.tag,
      streams: { events: { maxLen: EVENTS_MAX } },
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    })
    this.#queue.on('error', options.onTrouble)
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
    jobs.on('error', this.#options.onTrouble)
    this.#worker = { client, jobs }
    if (old !== undefined) void retire(old)
  }

  /** Takes no more jobs and waits for those at work; `abandon` ends the waiting. */
  async rest(abandon: Promise<void>): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    if (worker !== undefined) await Promise.race([retire(worker), abandon])
  }

  close(): void {
    this.#queue.close().catch(() => undefined)
    this.#client.disconnect()
  }
}

/** BullMQ closes only the connections that it made itself. */
async function retire({
  client,
  jobs,
}: {
  readonly client: RedisClient
  readonly jobs: Worker<LaneJob>
}): Promise<void> {
  await jobs.close().catch(() => undefined)
  client.disconnect()
}
