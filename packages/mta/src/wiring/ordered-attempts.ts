/**
 * An operator who orders an attempt wants one: hosts that were silent a moment ago are dialled for it, whatever
 * delivery remembers of them.
 */
import type { LaneScheduler } from '../schedule/lane-scheduler.ts'

export type Waking = Pick<LaneScheduler, 'wake'>

export function forgettingOnOrder(scheduler: Waking, forget: () => void): Waking {
  return {
    wake: (lane, dueAt, order) => {
      if (order === 'operator') forget()
      scheduler.wake(lane, dueAt, order)
    },
  }
}
