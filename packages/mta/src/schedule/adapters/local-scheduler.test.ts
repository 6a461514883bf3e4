import type { LaneId } from '../../delivery/lane.ts'
import { laneSchedulerContract } from '../lane-scheduler.contract.ts'
import { createLocalScheduler } from './local-scheduler.ts'

laneSchedulerContract(async () => {
  const due = new Map<LaneId, number>()
  let failures = 0
  const scheduler = createLocalScheduler({
    dueLanes: async ({ before, limit }) => {
      if (failures > 0) {
        failures -= 1
        throw new Error('the store is away')
      }
      const lanes = [...due].map(([lane, dueAt]) => ({ lane, dueAt }))
      return lanes.filter(({ dueAt }) => dueAt <= before).slice(0, limit)
    },
    now: Date.now,
    emit: () => {},
  })
  const spool = {
    put: async (lane: LaneId, dueAt: number) => void due.set(lane, dueAt),
    clear: async (lane: LaneId) => void due.delete(lane),
    failOnce: async () => {
      failures += 1
    },
  }
  return { scheduler, spool }
})
