/**
 * Takes lanes whose time has come and adds their jobs: every half second, and at once after a wake or a turn. One take
 * at a time; wakes that come meanwhile go with the next. Also sees when Redis is away, and when jobs wait though slots
 * are free and the worker takes none.
 */
import type { LaneId } from '../../delivery/lane.ts'
import { redisTrouble } from '../../redis/redis-trouble.ts'
import type { LaneWorkerEvent } from '../events.ts'
import type { DueLanes, Taken, Wake } from './bullmq-due.ts'
import type { LaneJob } from './bullmq-lane-jobs.ts'

export interface LaneTakerOptions {
  readonly due: Pick<DueLanes, 'take'>
  readonly jobs: { add(jobs: readonly LaneJob[]): Promise<void> }
  readonly node: string
  readonly everyMs: number
  readonly idleMs: number
  /** All slots of this node run a turn. */
  readonly busy: () => boolean
  /** Free slots that this node keeps for the top class. */
  readonly urgentSlots: () => number
  /** Lanes that were taken for these. */
  readonly runAtOnce: (lanes: readonly LaneId[]) => void
  /** So many lanes without progress wait for others of their kind. */
  readonly onHeld: (lanes: number) => void
  /** The worker gets new connections. */
  readonly restart: () => void
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  readonly emit: (event: LaneWorkerEvent) => void
}

/** Wakes kept while Redis is away; the spool has lowered the due times of the others itself. */
const WAKES_MAX = 100_000
/** Wakes per script call. */
const WAKES_PER_TAKE = 512
/** A wake further away than this is the spool's to remember. */
const HORIZON_MS = 60_000
/** Without Redis the last take may never end. */
const STOP_MS = 500

export class LaneTaker {
  readonly #options: LaneTakerOptions
  readonly #wakes = new Map<LaneId, Wake>()
  /** Wakes of a later time that the spool may not know. */
  readonly #later = new Set<NodeJS.Timeout>()
  #slots = 0
  #running = false
  #stopped = false
  #tick: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  #taking: Promise<void> | undefined
  #again = false
  #takes = 0
  #waiting = 0
  #held = 0
  #next: NodeJS.Timeout | undefined
  /** Monotonic ms since when jobs wait, slots are free and nothing is taken. */
  #idleSince: number | undefined
  #awaySince: number | undefined

  constructor(options: LaneTakerOptions) {
    this.#options = options
  }

  async start(slots: number): Promise<void> {
    this.#slots = slots
    this.#running = true
    this.#tick = setInterval(() => this.soon(), this.#options.everyMs)
    this.soon()
  }

  /** With 0 wakes are still told, and nothing else. */
  takePart(slots: number): void {
    this.#slots = slots
    this.soon()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#running = false
    clearInterval(this.#tick)
    clearTimeout(this.#next)
    clearImmediate(this.#soon)
    for (const timer of this.#later) clearTimeout(timer)
    await Promise.race([this.#taking, pause(STOP_MS)])
  }

  wake(wake: Wake): void {
    if (wake.inMs > 0) {
      this.#wakeLater(wake)
      return
    }
    const known = this.#wakes.get(wake.lane)
    if (known !== undefined && (known.why === 'operator' || wake.why === undefined)) return
    if (known === undefined && this.#wakes.size >= WAKES_MAX) return
    this.#wakes.set(wake.lane, wake)
    this.soon()
  }

  soon(): void {
    if (!this.#running || this.#soon !== undefined) return
    if (this.#taking !== undefined) {
      this.#again = true
      return
    }
    this.#soon = setImmediate(() => {
      this.#soon = undefined
      this.#taking = this.#take().finally(() => {
        this.#taking = undefined
        if (this.#again) {
          this.#again = false
          this.soon()
        }
      })
    })
  }

  jobBegan(): void {
    this.#waiting = Math.max(0, this.#waiting - 1)
    this.#idleSince = undefined
  }

  /** A turn that moves nothing also stands in the way of the lanes that are held back. */
  othersWaiting(moves: boolean): boolean {
    return this.#options.busy() && (this.#waiting > 0 || (!moves && this.#held > 0))
  }

  /** A turn has begun to move something: one of the lanes that are held back may run. */
  roomForHeld(): void {
    if (this.#held > 0) this.soon()
  }

  unavailable(error: unknown): void {
    if (this.#awaySince !== undefined || this.#stopped) return
    this.#awaySince = this.#options.monotonic()
    this.#options.emit({ event: 'lane-jobs-unavailable', detail: redisTrouble(error) })
  }

  trouble(): string | undefined {
    const { monotonic, idleMs } = this.#options
    if (this.#awaySince !== undefined) return 'the store of lane jobs cannot be asked'
    if (this.#idleSince !== undefined && monotonic() - this.#idleSince >= idleMs) return 'lane jobs wait, none is taken'
    return undefined
  }

  #wakeLater(wake: Wake): void {
    if (wake.inMs > HORIZON_MS || this.#later.size >= WAKES_MAX) return
    const timer = setTimeout(() => {
      this.#later.delete(timer)
      this.wake({ ...wake, inMs: 0 })
    }, wake.inMs)
    this.#later.add(timer)
  }

  async #take(): Promise<void> {
    this.#takes += 1
    const wakes = [...this.#wakes.values()].slice(0, WAKES_PER_TAKE)
    for (const { lane } of wakes) this.#wakes.delete(lane)
    const urgentSlots = this.#slots === 0 ? 0 : this.#options.urgentSlots()
    const ask = { id: `${this.#takes}`, slots: this.#slots, urgentSlots, wakes }
    const taken = await this.#untilAnswered(() => this.#options.due.take(ask))
    if (taken === undefined) return
    this.#options.runAtOnce(taken.atOnce)
    const jobs = taken.lanes.map((lane) => ({ lane, slot: 0 }))
    await this.#untilAnswered(() => this.#options.jobs.add(jobs))
    if (this.#stopped) return
    this.#available()
    this.#waiting = taken.waiting
    this.#held = taken.held
    this.#options.onHeld(taken.held)
    this.#watchWorker(taken)
    if (this.#wakes.size > 0) this.#again = true
    this.#takeIn(taken.nextInMs)
  }

  /** Nearer than the next regular take: exactly then. */
  #takeIn(ms: number | undefined): void {
    if (ms === undefined || ms >= this.#options.everyMs || !this.#running) return
    clearTimeout(this.#next)
    this.#next = setTimeout(() => this.soon(), ms)
  }

  /** Again and again: a lost answer holds lanes that nobody else would run for a minute. Both may be done twice. */
  async #untilAnswered<T>(ask: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        this.unavailable(error)
        if (this.#stopped) return undefined
        await pause(this.#options.everyMs)
      }
    }
  }

  #available(): void {
    if (this.#awaySince === undefined) return
    this.#awaySince = undefined
    this.#options.emit({ event: 'lane-jobs-available' })
  }

  #watchWorker({ waiting }: Taken): void {
    const { monotonic, idleMs, busy, emit, restart } = this.#options
    if (waiting === 0 || busy()) {
      this.#idleSince = undefined
      return
    }
    this.#idleSince ??= monotonic()
    const idle = monotonic() - this.#idleSince
    if (idle < idleMs) return
    emit({ event: 'lane-worker-idle', idleMs: Math.round(idle), waiting })
    this.#idleSince = undefined
    restart()
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
