/**
 * An operator who orders an attempt wants one: hosts that were silent a moment ago are dialled for it, whatever
 * delivery remembers of them.
 */
import type { LaneScheduler } from '../schedule/lane-scheduler.ts'

export function forgettingOnOrder(scheduler: LaneScheduler, forget: () => void): LaneScheduler {
  return {
    run: (turn, options) => scheduler.run(turn, options),
    wake: (lane, dueAt, order) => {
      if (order === 'operator') forget()
      scheduler.wake(lane, dueAt, order)
    },
    stop: (graceMs) => scheduler.stop(graceMs),
  }
}
