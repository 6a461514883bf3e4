/**
 * The lane scheduler of one process: a heap of due times, a line of ready lanes, one timer.
 *
 * It remembers only lanes whose time is near; the rest is the spool's, which is asked every half minute for
 * what becomes due within the next minute. So memory follows the lanes at work, not the length of the queue,
 * and whatever is forgotten here comes back with the next question.
 */
import type { LaneId } from '../../delivery/lane.ts'
import type { DueLane } from '../../spool/spool.ts'
import type { ScheduleEvent } from '../events.ts'
import type { LaneScheduler, Turn, TurnContext, TurnEnd, WakeReason } from '../lane-scheduler.ts'
import { type RunningTurn, reliefDelayMs } from '../running-turn.ts'
import { DueHeap } from './due-heap.ts'
import { LocalSlots, type StandingLane } from './local-slots.ts'

export interface LocalSchedulerOptions {
  readonly dueLanes: (query: { readonly before: number; readonly limit: number }) => Promise<readonly DueLane[]>
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: (event: ScheduleEvent) => void
}

/** How far ahead due times are kept in memory, and how often the spool is asked. */
const HORIZON_MS = 60_000
const REFILL_INTERVAL_MS = 30_000
/** Between two questions while the spool has more lanes than one answer held, or has failed. */
const REFILL_AGAIN_MS = 1_000
/** After the turn of a lane that the spool had named: its next due time is known to the spool alone. */
const REFILL_AFTER_TURN_MS = 500
/** New lanes per question. */
const REFILL_LANES = 5_000
/** About 30 MB when full; lanes beyond it stay with the spool until others are done. */
const LANES_MAX = 100_000
/** Due times of one lane that are kept apart; for more than these the spool is asked again. */
const PLANNED_MAX = 16
const PLAN_GRAIN_MS = 100
/** A clock that is set forward must not make a due lane wait longer than promised. */
const TICK_MS_MAX = 1_000
/** After a turn that threw; doubled each time. */
const THROWN_RETRY_MS = 500
const THROWN_RETRY_MS_MAX = 30_000

export function createLocalScheduler(options: LocalSchedulerOptions): LaneScheduler {
  return new LocalScheduler(options)
}

interface LaneState extends StandingLane {
  /** Slots with a turn on this lane. */
  readonly running: Map<number, RunningTurn>
  /** The times of its heap entries. */
  readonly planned: Set<number>
  /** The spool may know of a due time that is not planned here. */
  askSpool: boolean
  /** Woken while a turn was running: that turn's last claim may have come before the work. */
  woken: boolean
  /** No turn before this time (UTC ms). */
  notBefore: number
  /** Turns that threw in a row. */
  throws: number
}

class LocalScheduler implements LaneScheduler {
  readonly #options: LocalSchedulerOptions
  readonly #lanes = new Map<LaneId, LaneState>()
  readonly #heap = new DueHeap<LaneState>()
  readonly #slots = new LocalSlots<LaneState>()
  /** Of the turns that run; aborted while none may begin. */
  #abort = new AbortController()
  #stopped = false
  #turn: Turn | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #refillAt = Number.POSITIVE_INFINITY
  #refilling = false
  #dispatch: NodeJS.Immediate | undefined
  /** When a silent turn is to yield to lanes that wait. */
  #relief: NodeJS.Timeout | undefined
  #whenQuiet: (() => void) | undefined

  constructor(options: LocalSchedulerOptions) {
    this.#options = options
  }

  async run(turn: Turn, { slots }: { readonly slots: number }): Promise<void> {
    this.#turn = turn
    this.#slots.open(slots)
    await this.#refill()
    this.#dispatchSoon()
  }

  wake(lane: LaneId, dueAt?: number, why?: WakeReason): void {
    if (this.#stopped) return
    const state = this.#lanes.get(lane) ?? this.#remember(lane)
    if (state === undefined) return
    if (why === 'operator') state.notBefore = 0
    if (why === 'urgent') this.#urgent(state)
    const now = this.#options.now()
    const at = Math.max(dueAt ?? now, state.notBefore)
    if (at > now) {
      this.#plan(state, at)
      this.#forgetIfInert(state)
    } else this.#makeReady(state)
  }

  pause(graceMs: number): Promise<void> {
    this.#abort.abort()
    return this.#quiet(graceMs)
  }

  resume(): void {
    if (this.#stopped || !this.#halted) return
    this.#abort = new AbortController()
    this.#whenQuiet?.()
    this.#dispatchSoon()
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopped = true
    this.#abort.abort()
    clearTimeout(this.#timer)
    clearTimeout(this.#relief)
    clearImmediate(this.#dispatch)
    await this.#quiet(graceMs)
    const { running: count } = this.#slots
    if (count > 0) this.#options.emit({ event: 'turns-abandoned', count })
  }

  async #quiet(graceMs: number): Promise<void> {
    if (this.#slots.running === 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#whenQuiet = resolve
      timer = setTimeout(resolve, graceMs)
    })
    clearTimeout(timer)
  }

  get #halted(): boolean {
    return this.#abort.signal.aborted
  }

  #remember(lane: LaneId): LaneState | undefined {
    if (this.#lanes.size >= LANES_MAX) return undefined
    const state: LaneState = {
      ...{ lane, silences: 0, urgent: false },
      running: new Map(),
      planned: new Set(),
      askSpool: false,
      woken: false,
      notBefore: 0,
      throws: 0,
    }
    this.#lanes.set(lane, state)
    return state
  }

  /** The time comes later: into the heap, unless it is so far that the spool will tell in time. */
  #plan(state: LaneState, dueAt: number): void {
    const backsOff = dueAt === state.notBefore
    if (!backsOff && dueAt > this.#options.now() + HORIZON_MS) return
    const at = Math.ceil(dueAt / PLAN_GRAIN_MS) * PLAN_GRAIN_MS
    if (state.planned.has(at)) return
    if (state.planned.size >= PLANNED_MAX && !backsOff && Math.min(...state.planned) <= at) {
      state.askSpool = true
      return
    }
    state.planned.add(at)
    this.#heap.push(at, state)
    this.#arm()
  }

  #makeReady(state: LaneState): void {
    if (state.running.size > 0) {
      state.woken = true
      return
    }
    this.#slots.wait(state)
    this.#dispatchSoon()
  }

  /** Turns start on a clean stack: `wake` is called for every accepted message and must stay cheap. */
  #dispatchSoon(): void {
    if (this.#dispatch !== undefined || this.#turn === undefined || this.#halted) return
    if (this.#slots.isFull) return
    this.#dispatch = setImmediate(() => {
      this.#dispatch = undefined
      this.#startTurns()
    })
  }

  #startTurns(): void {
    const turn = this.#turn
    if (turn === undefined || this.#halted) return
    const now = this.#options.now()
    for (let state = this.#slots.take(now); state !== undefined; state = this.#slots.take(now)) {
      if (state.notBefore > now) this.#plan(state, state.notBefore)
      else this.#start(state, turn)
    }
    this.#relieveLater()
  }

  /** Lanes without progress wait for others of their kind: the silent ones have their time, and then yield. */
  #relieveLater(): void {
    const at = this.#relief === undefined ? this.#slots.nextRelief() : undefined
    if (at === undefined) return
    this.#relief = setTimeout(
      () => {
        this.#relief = undefined
        if (this.#halted) return
        this.#slots.relieve(this.#options.now())
        this.#relieveLater()
      },
      reliefDelayMs(at - this.#options.now()),
    )
  }

  #start(state: LaneState, turn: Turn): void {
    const slot = freeSlot(state)
    const running = this.#slots.begin(state, this.#options.now())
    state.urgent = false
    state.running.set(slot, running)
    const context: TurnContext = {
      slot,
      signal: this.#abort.signal,
      yielding: running.yielding,
      othersWaiting: () => this.#othersWaiting(state, running),
      wakeAnother: () => this.#wakeAnother(state),
      heard: () => running.heard(this.#options.now()),
      progressed: () => this.#progressed(state, running),
    }
    // A turn that throws before its first await is a turn that throws.
    const end = (async () => turn(state.lane, context))()
    end.then(
      (result) => this.#ended(state, slot, result),
      (error: unknown) => this.#threw(state, slot, error),
    )
  }

  #ended(state: LaneState, slot: number, end: TurnEnd): void {
    this.#freeSlot(state, slot)
    state.throws = 0
    switch (end.kind) {
      case 'more':
        this.#requeue(state)
        break
      case 'idle':
        if (state.woken) this.#requeue(state)
        else if (state.askSpool) {
          state.askSpool = false
          this.#refillBy(this.#options.now() + REFILL_AFTER_TURN_MS)
        }
        break
      case 'parked':
        // A further worker without a permit just ends: the lane's other workers go on.
        if (state.running.size > 0) break
        if (state.woken) this.#requeue(state)
        else this.#plan(state, this.#options.now() + end.retryAfterMs)
        break
      case 'backoff':
        this.#backOff(state, end.until)
        break
    }
    this.#afterTurn(state)
  }

  #threw(state: LaneState, slot: number, error: unknown): void {
    this.#freeSlot(state, slot)
    const retryInMs = Math.min(THROWN_RETRY_MS * 2 ** state.throws, THROWN_RETRY_MS_MAX)
    state.throws += 1
    this.#backOff(state, this.#options.now() + retryInMs)
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#options.emit({ event: 'turn-failed', lane: state.lane, detail, retryInMs })
    this.#afterTurn(state)
  }

  #freeSlot(state: LaneState, slot: number): void {
    const running = state.running.get(slot)
    if (running !== undefined) this.#slots.end(state, running, this.#options.now())
    state.running.delete(slot)
  }

  #afterTurn(state: LaneState): void {
    this.#forgetIfInert(state)
    if (this.#halted) {
      if (this.#slots.running === 0) this.#whenQuiet?.()
    } else this.#startTurns()
  }

  #requeue(state: LaneState): void {
    state.woken = false
    this.#slots.wait(state)
  }

  #backOff(state: LaneState, until: number): void {
    state.woken = false
    state.notBefore = until
    this.#slots.failed(state)
    this.#plan(state, until)
  }

  #forgetIfInert(state: LaneState): void {
    if (state.running.size > 0 || state.planned.size > 0 || this.#slots.waits(state)) return
    this.#lanes.delete(state.lane)
  }

  #wakeAnother(state: LaneState): void {
    if (this.#halted || state.notBefore > this.#options.now()) return
    this.#slots.wait(state)
    this.#dispatchSoon()
  }

  #progressed(state: LaneState, running: RunningTurn): void {
    this.#slots.progressed(state, running, this.#options.now())
    this.#dispatchSoon()
  }

  /** Mail of the top class is due. A turn that runs takes it with its next claim. */
  #urgent(state: LaneState): void {
    state.urgent = true
    if (this.#slots.waits(state)) this.#slots.wait(state)
  }

  #othersWaiting(state: LaneState, running: RunningTurn): boolean {
    return this.#halted || this.#slots.othersWaiting(state, running, this.#options.now())
  }

  /** One timer, for the earliest of all times. */
  #arm(): void {
    if (this.#stopped) return
    const at = Math.min(this.#heap.peek()?.at ?? Number.POSITIVE_INFINITY, this.#refillAt)
    if (at >= this.#timerAt || at === Number.POSITIVE_INFINITY) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    const delay = Math.min(Math.max(0, at - this.#options.now()), TICK_MS_MAX)
    this.#timer = setTimeout(() => this.#tick(), delay)
  }

  #tick(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#options.now()
    for (let next = this.#heap.peek(); next !== undefined && next.at <= now; next = this.#heap.peek()) {
      this.#heap.pop()
      const state = next.item
      state.planned.delete(next.at)
      // A back-off that was prolonged since has its own entry, or gets it here.
      if (state.notBefore > now) this.#plan(state, state.notBefore)
      else this.#makeReady(state)
    }
    if (this.#refillAt <= now) void this.#refill()
    this.#arm()
  }

  async #refill(): Promise<void> {
    if (this.#refilling || this.#stopped) return
    this.#refilling = true
    this.#refillAt = Number.POSITIVE_INFINITY
    let againMs = REFILL_INTERVAL_MS
    try {
      // Known lanes come back too, so the question makes room for them: none can hide the ones behind it.
      const limit = Math.min(this.#lanes.size, LANES_MAX) + REFILL_LANES
      const due = await this.#options.dueLanes({ before: this.#options.now() + HORIZON_MS, limit })
      for (const { lane, dueAt } of due) this.#wakeFromSpool(lane, dueAt)
      if (due.length >= limit || this.#lanes.size >= LANES_MAX) againMs = REFILL_AGAIN_MS
    } catch (error) {
      againMs = REFILL_AGAIN_MS
      const detail = error instanceof Error ? error.message : String(error)
      this.#options.emit({ event: 'schedule-refill-failed', detail, retryInMs: againMs })
    }
    this.#refilling = false
    this.#refillBy(this.#options.now() + againMs)
  }

  #refillBy(at: number): void {
    this.#refillAt = Math.min(this.#refillAt, at)
    this.#arm()
  }

  #wakeFromSpool(lane: LaneId, dueAt: number): void {
    this.wake(lane, dueAt)
    const state = this.#lanes.get(lane)
    if (state !== undefined) state.askSpool = true
  }
}

function freeSlot(state: LaneState): number {
  let slot = 0
  while (state.running.has(slot)) slot += 1
  return slot
}
