/**
 * The threads of a relay: each turn of a lane goes to one of them, and one that dies is replaced while the others work
 * on. The first worker of a lane is always the same thread, so that its connections are found again; every further
 * worker is the next one.
 */
import { createHash } from 'node:crypto'
import type { LaneId } from '../delivery/lane.ts'
import type { Turn } from '../schedule/lane-scheduler.ts'
import type { Claim } from '../spool/spool.ts'
import type { ThreadEvent } from './events.ts'
import type { Thread } from './thread.ts'

export interface ThreadEnd {
  readonly detail: string
  readonly left: readonly Claim[]
}

export interface ThreadPoolOptions {
  readonly threads: number
  /** Starts one; `ended` is called once, whenever it ends. */
  readonly start: (index: number, ended: (end: ThreadEnd) => void) => Thread
  /** Makes a thread that comes later do what the others do. */
  readonly join: (thread: Thread) => Promise<void>
  /** What a thread that died was delivering. */
  readonly left: (claims: readonly Claim[]) => void
  readonly emit: (event: ThreadEvent) => void
}

/** After a death; doubled for each that follows soon. */
const REPLACE_MS = 250
const REPLACE_MS_MAX = 30_000
/** Who lived so long has no part in what killed the one before. */
const STEADY_MS = 60_000
/** To end in good manner; then a thread is ended. */
const CLOSE_MS = 5_000

interface Place {
  thread: Thread | undefined
  startedAt: number
  deaths: number
  timer: NodeJS.Timeout | undefined
}

export class ThreadPool {
  readonly #options: ThreadPoolOptions
  readonly #places: readonly Place[]
  #closing = false

  constructor(options: ThreadPoolOptions) {
    this.#options = options
    this.#places = Array.from({ length: options.threads }, () => {
      return { thread: undefined, startedAt: 0, deaths: 0, timer: undefined }
    })
  }

  /** Rejects when one of them cannot be started; then none is left. */
  async start(): Promise<void> {
    const started = this.#places.map(async (place, index) => {
      const thread = this.#start(place, index)
      await thread.ready
      place.thread = thread
    })
    const failed = (await Promise.allSettled(started)).find((end) => end.status === 'rejected')
    if (failed !== undefined) {
      await this.close()
      throw failed.reason
    }
    this.#options.emit({ event: 'threads-started', threads: this.#places.length })
  }

  /** Those that work, in their order. */
  get up(): readonly Thread[] {
    return this.#places.flatMap(({ thread }) => (thread === undefined ? [] : [thread]))
  }

  get wanted(): number {
    return this.#places.length
  }

  readonly turn: Turn = async (lane, context) => {
    const thread = this.#threadFor(lane, context.slot)
    // Back in the line, until one is up again.
    if (thread === undefined) return { kind: 'backoff', until: Date.now() + REPLACE_MS }
    return await thread.turn(lane, context)
  }

  async close(): Promise<void> {
    this.#closing = true
    for (const { timer } of this.#places) clearTimeout(timer)
    await Promise.all(this.up.map((thread) => thread.close(CLOSE_MS)))
  }

  #threadFor(lane: LaneId, slot: number): Thread | undefined {
    const first = createHash('sha256').update(lane).digest().readUInt32BE(0)
    for (let step = 0; step < this.#places.length; step += 1) {
      const place = this.#places[(first + slot + step) % this.#places.length]
      if (place?.thread !== undefined) return place.thread
    }
    return undefined
  }

  #start(place: Place, index: number): Thread {
    place.startedAt = performance.now()
    const thread: Thread = this.#options.start(index, (end) => this.#ended(place, index, end))
    return thread
  }

  #ended(place: Place, index: number, { detail, left }: ThreadEnd): void {
    place.thread = undefined
    this.#options.left(left)
    if (this.#closing) return
    place.deaths = performance.now() - place.startedAt > STEADY_MS ? 1 : place.deaths + 1
    const replacedInMs = Math.min(REPLACE_MS * 2 ** (place.deaths - 1), REPLACE_MS_MAX)
    this.#options.emit({ event: 'thread-died', thread: index, detail, messages: left.length, replacedInMs })
    place.timer = setTimeout(() => void this.#replace(place, index), replacedInMs)
  }

  /** One that does not come up has ended, and is replaced again by that. */
  async #replace(place: Place, index: number): Promise<void> {
    const thread = this.#start(place, index)
    try {
      await thread.ready
      await this.#options.join(thread)
    } catch {
      await thread.close(0)
      return
    }
    if (this.#closing) {
      await thread.close(0)
      return
    }
    place.thread = thread
    this.#options.emit({ event: 'thread-replaced', thread: index })
  }
}
