/** What the contract suites of the lane scheduler share: a scheduler whose turns the test plays, and its spool. */
import assert from 'node:assert/strict'
import type { LaneId } from '../delivery/lane.ts'
import type { LaneScheduler, TurnContext, TurnEnd } from './lane-scheduler.ts'

/** A scheduler, not started, and what its spool would say. */
export interface SchedulerOfTest {
  readonly scheduler: LaneScheduler
  readonly spool: SpoolOfTest
}

/** The part of a spool that a schedule is derived from. */
export interface SpoolOfTest {
  /** The earliest unclaimed delivery of the lane is due then (UTC ms). */
  put(lane: LaneId, dueAt: number): Promise<void>
  /** The lane has no unclaimed delivery. */
  clear(lane: LaneId): Promise<void>
  /** The next question fails. */
  failOnce(): Promise<void>
}

export type OpenScheduler = () => Promise<SchedulerOfTest>

export const GRACE_MS = 1_000

export const idle: TurnEnd = { kind: 'idle' }
export const more: TurnEnd = { kind: 'more' }

export interface World extends AsyncDisposable {
  readonly scheduler: LaneScheduler
  readonly spool: SpoolOfTest
  readonly turns: { readonly lane: LaneId; readonly startedAt: number }[]
  turn: (lane: LaneId, context: TurnContext) => Promise<TurnEnd>
  readonly running: number
  run(slots?: number): Promise<void>
  runs(name: string): number
  until(condition: () => boolean): Promise<void>
}

export async function createWorld(open: OpenScheduler): Promise<World> {
  const turns: { readonly lane: LaneId; readonly startedAt: number }[] = []
  let running = 0
  const { scheduler, spool } = await open()
  const world: World = {
    scheduler,
    spool,
    turns,
    turn: async (id) => {
      await spool.clear(id)
      return idle
    },
    get running() {
      return running
    },
    run: (slots = 4) =>
      scheduler.run(
        async (id, context) => {
          turns.push({ lane: id, startedAt: Date.now() })
          running += 1
          try {
            return await world.turn(id, context)
          } finally {
            running -= 1
          }
        },
        { slots },
      ),
    runs: (name) => turns.filter((turn) => turn.lane === lane(name)).length,
    until,
    [Symbol.asyncDispose]: () => scheduler.stop(GRACE_MS),
  }
  return world
}

export function lane(name: string): LaneId {
  return `mx:${name}.example:25` as LaneId
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function until(condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 15_000
  while (!condition()) {
    assert.ok(Date.now() < giveUpAt, `this never happened: ${condition.toString()}`)
    await pause(2)
  }
}

export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open: () => open() }
}
