/**
 * The lane scheduler of many processes. Due times live in the spool's `due` set; every node takes lanes whose time has
 * come, each at most half a second late, and gives them to BullMQ as lane jobs, which any node's worker runs. Only the
 * end of a turn sets or removes a lane's entry, so that a wake cannot be lost and a dead worker's lanes come back.
 */
import type { LaneId } from '../../delivery/lane.ts'
import type { RedisClient } from '../../redis/adapters/redis-connection.ts'
import type { QueueKeys } from '../../redis/keys.ts'
import { beginLife, type Life } from '../../redis/life.ts'
import type { LaneWorkerEvent, ScheduleEvent } from '../events.ts'
import type { LaneScheduler, Turn, WakeReason } from '../lane-scheduler.ts'
import { type RunningTurn, reliefDelayMs, slotShares } from '../running-turn.ts'
import { DueLanes, type EndOfTurn, type TurnName } from './bullmq-due.ts'
import { type LaneJob, LaneJobs } from './bullmq-lane-jobs.ts'
import { LaneTaker } from './bullmq-lane-taker.ts'
import { RunningTurns } from './bullmq-running-turns.ts'
import { TurnFailures } from './turn-failures.ts'

export interface BullmqSchedulerOptions {
  /** For scripts and for adding jobs; closed by `stop`. */
  readonly client: RedisClient
  /** Connections of the worker, as BullMQ wants them. */
  readonly connectForJobs: () => RedisClient
  readonly keys: QueueKeys
  /** UTC milliseconds. */
  readonly now: () => number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  readonly emit: (event: ScheduleEvent | LaneWorkerEvent) => void
  readonly limits?: Partial<BullmqSchedulerLimits>
  /** Of this process; absent: it has no former one. */
  readonly life?: Life
}

export interface BullmqSchedulerLimits {
  /** How long a taken lane stays out of the way; renewed at a third while its turn runs. */
  readonly leaseMs: number
  /** A worker that has not renewed its jobs' lock for this long is dead. */
  readonly lockMs: number
  /** Between two looks for lanes whose time has come. */
  readonly takeEveryMs: number
  /** Jobs wait, slots are free, and nothing is taken for this long: the worker gets new connections. */
  readonly idleMs: number
}

/** Architecture §3; the lock is BullMQ's own default. */
export const BULLMQ_SCHEDULER_LIMITS: BullmqSchedulerLimits = {
  leaseMs: 60_000,
  lockMs: 30_000,
  takeEveryMs: 500,
  idleMs: 10_000,
}

export interface BullmqScheduler extends LaneScheduler {
  /** Why this node gives no turns though it should, if so; for readiness. */
  trouble(): string | undefined
  /**
   * Lanes that a former process of this node had taken are due again; how many. Before this one runs, and once it is
   * certain that the other is dead. Rejects while Redis is away; then they are due when their leases end.
   */
  takeBack(): Promise<number>
}

export function createBullmqScheduler(options: BullmqSchedulerOptions): BullmqScheduler {
  return new SharedScheduler(options)
}

const RENEWALS_PER_LEASE = 3
/** Between two attempts to tell the end of a turn. */
const END_RETRY_MS = 250
/** Every answer of a busy site asks for one more worker. */
const ANOTHER_EVERY_MS = 250
/** Slots of one lane; permits are the limit, this bounds what one lane can ask for. */
const SLOTS_PER_LANE = 64

class SharedScheduler implements BullmqScheduler {
  readonly #options: BullmqSchedulerOptions
  readonly #limits: BullmqSchedulerLimits
  readonly #node: string
  readonly #due: DueLanes
  readonly #jobs: LaneJobs
  readonly #taker: LaneTaker
  readonly #turns: RunningTurns
  readonly #failures = new TurnFailures()
  /** Of the turns that run; aborted while none may begin. */
  #abort = new AbortController()
  #stopped = false
  /** Turns of ours, also those whose lanes others have by now. */
  readonly #underWay = new Set<Promise<unknown>>()
  #turn: Turn | undefined
  #slots = 0
  /** Turns that were begun at once, with the slots that are kept for the top class. */
  #urgent = 0
  #held = 0
  /** When silent turns are to yield to the lanes that are held back. */
  #relief: NodeJS.Timeout | undefined
  #renewing: NodeJS.Timeout | undefined
  #tokens = 0

  constructor(options: BullmqSchedulerOptions) {
    this.#options = options
    this.#limits = { ...BULLMQ_SCHEDULER_LIMITS, ...options.limits }
    const { client, keys, emit, monotonic, life = beginLife() } = options
    this.#node = life.name
    this.#due = new DueLanes({ client, keys, life, leaseMs: this.#limits.leaseMs })
    this.#turns = new RunningTurns(monotonic)
    this.#jobs = new LaneJobs({
      ...{ client, keys, connect: options.connectForJobs },
      name: this.#node,
      lockMs: this.#limits.lockMs,
      work: (job) => this.#work(job),
      onTrouble: (error) => this.#taker.unavailable(error),
    })
    this.#taker = new LaneTaker({
      ...{ due: this.#due, jobs: this.#jobs, node: this.#node, emit, monotonic },
      everyMs: this.#limits.takeEveryMs,
      idleMs: this.#limits.idleMs,
      busy: () => this.#abort.signal.aborted || this.#turns.size - this.#urgent >= this.#ordinarySlots,
      urgentSlots: () => this.#slots - this.#ordinarySlots - this.#urgent,
      runAtOnce: (lanes) => {
        for (const lane of lanes) void this.#runAtOnce(lane)
      },
      onHeld: (lanes) => this.#relieve(lanes),
      restart: () => this.#jobs.work(this.#ordinarySlots),
    })
    client.on('ready', () => this.#taker.soon())
  }

  async run(turn: Turn, { slots }: { readonly slots: number }): Promise<void> {
    this.#turn = turn
    this.#slots = slots
    const paused = this.#abort.signal.aborted
    if (!paused) this.#jobs.work(this.#ordinarySlots)
    this.#renewing = setInterval(() => void this.#renew(), this.#limits.leaseMs / RENEWALS_PER_LEASE)
    await this.#taker.start(paused ? 0 : slots)
  }

  wake(lane: LaneId, dueAt?: number, why?: WakeReason): void {
    if (this.#stopped) return
    const inMs = dueAt === undefined ? 0 : Math.max(0, Math.ceil(dueAt - this.#options.now()))
    this.#taker.wake({ lane, inMs, why })
  }

  async pause(graceMs: number): Promise<void> {
    this.#abort.abort()
    this.#taker.takePart(0)
    const left = this.#due.leave(this.#slots).catch(() => undefined)
    await Promise.all([left, this.#endTurns(graceMs)])
  }

  resume(): void {
    if (this.#stopped || !this.#abort.signal.aborted) return
    this.#abort = new AbortController()
    if (this.#turn === undefined) return
    this.#jobs.work(this.#ordinarySlots)
    this.#taker.takePart(this.#slots)
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#abort.abort()
    clearInterval(this.#renewing)
    clearTimeout(this.#relief)
    await this.#taker.stop()
    await this.#endTurns(graceMs)
    if (this.#underWay.size > 0) this.#options.emit({ event: 'turns-abandoned', count: this.#underWay.size })
    await this.#due.leave(this.#slots).catch(() => undefined)
    this.#jobs.close()
    this.#options.client.disconnect()
  }

  /** The lanes go to others at once, what still runs here has this long. */
  async #endTurns(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs)
    })
    let watch: NodeJS.Timeout | undefined
    // Then BullMQ waits for nothing but Redis.
    const idleWithoutRedis = new Promise<void>((resolve) => {
      watch = setInterval(() => {
        if (this.#underWay.size === 0 && this.#options.client.status !== 'ready') resolve()
      }, END_RETRY_MS)
    })
    await this.#jobs.rest(Promise.race([grace, idleWithoutRedis]))
    clearInterval(watch)
    await Promise.race([Promise.allSettled(this.#underWay), grace])
    clearTimeout(timer)
  }

  trouble(): string | undefined {
    return this.#taker.trouble()
  }

  takeBack(): Promise<number> {
    return this.#due.takeBack()
  }

  get #ordinarySlots(): number {
    return slotShares(this.#slots).ordinary
  }

  /** Like a job, and without one: should this node die, the lane's entry brings it back when its lease ends. */
  async #runAtOnce(lane: LaneId): Promise<void> {
    this.#urgent += 1
    await this.#work({ lane, slot: 0 }, 'urgent')
    this.#urgent -= 1
  }

  /** Lanes without progress wait for others of their kind: the silent ones have their time, and then yield. */
  #relieve(held: number): void {
    this.#held = held
    if (held === 0 || this.#relief !== undefined || this.#stopped) return
    const inMs = this.#turns.relieve(held)
    if (inMs === undefined) return
    this.#relief = setTimeout(() => {
      this.#relief = undefined
      this.#relieve(this.#held)
    }, reliefDelayMs(inMs))
  }

  /** Never throws: a failed job would say nothing that the lane's entry does not say. */
  async #work({ lane, slot }: LaneJob, why?: 'urgent'): Promise<void> {
    this.#tokens += 1
    const name: TurnName = { lane, slot, token: `${this.#node}/${this.#tokens}` }
    if (why === undefined) this.#taker.jobBegan()
    try {
      const begun = await this.#due.begin(name)
      if (begun.kind === 'backs-off') return
      const running = this.#turns.begin(name, { ...begun, urgent: why === 'urgent' })
      const end = this.#abort.signal.aborted ? putBack : await this.#run(name, running)
      await this.#ended(name, { ...end, sign: this.#signOf(running, end) })
      if (end.kind === 'more' && slot > 0) await this.#jobs.add([{ lane, slot }])
    } catch (error) {
      // Nothing was begun or told: the lane's entry brings it back when its lease ends.
      this.#taker.unavailable(error)
    } finally {
      this.#turns.end(name)
    }
  }

  #signOf(running: RunningTurn, end: OwnEnd): EndOfTurn['sign'] {
    if (running.progressedAt !== undefined && end.kind !== 'backoff') return 'moved'
    return running.wasSilent(this.#options.monotonic()) ? 'silent' : 'none'
  }

  /** When this node gives its turns up the lane is another's at once, however long the last reply takes here. */
  async #run(name: TurnName, running: RunningTurn): Promise<OwnEnd> {
    const turn = this.#turn
    if (turn === undefined) return putBack
    const { signal } = this.#abort
    const ended = this.#runTurn(name, turn, { running, signal })
    this.#underWay.add(ended)
    void ended.then(() => this.#underWay.delete(ended))
    const handOver = handedOver(signal)
    const end = await Promise.race([ended, handOver.promise])
    handOver.forget()
    return end
  }

  async #runTurn(name: TurnName, turn: Turn, { running, signal }: Run): Promise<OwnEnd> {
    const { lane, slot } = name
    const { monotonic } = this.#options
    try {
      const end = await turn(lane, {
        slot,
        signal,
        yielding: running.yielding,
        othersWaiting: () => this.#othersWaiting(name),
        wakeAnother: () => this.#wakeAnother(name),
        heard: () => running.heard(monotonic()),
        progressed: () => {
          if (running.progressed(monotonic())) this.#progressed(name)
        },
      })
      this.#failures.forget(lane)
      if (end.kind === 'parked') return { kind: 'parked', inMs: Math.ceil(end.retryAfterMs) }
      if (end.kind === 'backoff') return { kind: 'backoff', inMs: this.#untilMs(end.until) }
      return { kind: end.kind, inMs: 0 }
    } catch (error) {
      const retryInMs = this.#failures.retryInMs(lane)
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#options.emit({ event: 'turn-failed', lane, detail, retryInMs })
      return { kind: 'backoff', inMs: retryInMs }
    }
  }

  #untilMs(utc: number): number {
    return Math.max(0, Math.ceil(utc - this.#options.now()))
  }

  /** Until Redis has heard it, or the entry has come back by itself. */
  async #ended(name: TurnName, end: EndOfTurn): Promise<void> {
    const giveUpAt = this.#options.monotonic() + this.#limits.leaseMs
    for (;;) {
      try {
        if (await this.#due.end(name, end)) this.#taker.soon()
        return
      } catch (error) {
        this.#taker.unavailable(error)
        if (this.#options.monotonic() > giveUpAt || this.#abort.signal.aborted) return
        await new Promise((resolve) => setTimeout(resolve, END_RETRY_MS))
      }
    }
  }

  #othersWaiting(name: TurnName): boolean {
    return this.#abort.signal.aborted || this.#taker.othersWaiting(this.#turns.moves(name))
  }

  #progressed(name: TurnName): void {
    void this.#renewTurns([name]).then(() => this.#taker.roomForHeld())
  }

  /**
   * Every worker asks for two more, first the one and with a later answer the other: were it only the next, a lane
   * would get its workers one after the other, each after the first answer to the one before.
   */
  #wakeAnother({ lane, slot }: TurnName): void {
    if (this.#abort.signal.aborted) return
    const next = [2 * slot + 1, 2 * slot + 2].find(
      (other) => other < SLOTS_PER_LANE && this.#turns.mayWakeAnother(lane, other, ANOTHER_EVERY_MS),
    )
    if (next === undefined) return
    this.#jobs.add([{ lane, slot: next }]).catch((error: unknown) => this.#taker.unavailable(error))
  }

  async #renew(): Promise<void> {
    await this.#renewTurns(this.#turns.names())
  }

  async #renewTurns(names: readonly TurnName[]): Promise<void> {
    if (names.length === 0) return
    try {
      const ours = await this.#due.renew(names.map((name) => ({ ...name, moves: this.#turns.moves(name) })))
      for (const [at, { lane }] of names.entries()) {
        if (ours[at] === false && this.#turns.has(names[at])) this.#options.emit({ event: 'turn-overtaken', lane })
      }
    } catch (error) {
      this.#taker.unavailable(error)
    }
  }
}

interface Run {
  readonly running: RunningTurn
  readonly signal: AbortSignal
}

type OwnEnd = Omit<EndOfTurn, 'sign'>

/** Taken while this node stops: for another. */
const putBack = { kind: 'more', inMs: 0 } as const

/** In this time a turn gives back what it has not begun, so that who comes next finds it. */
const HAND_OVER_MS = 50

function handedOver(signal: AbortSignal): { readonly promise: Promise<OwnEnd>; forget(): void } {
  const { promise, resolve } = Promise.withResolvers<OwnEnd>()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => resolve(putBack), HAND_OVER_MS)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  const forget = (): void => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
  return { promise, forget }
}
