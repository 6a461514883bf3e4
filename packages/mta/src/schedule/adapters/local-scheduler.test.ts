import { laneSchedulerContract } from '../lane-scheduler.contract.ts'
import { createLocalScheduler } from './local-scheduler.ts'

laneSchedulerContract(({ dueLanes }) => createLocalScheduler({ dueLanes, now: Date.now, emit: () => {} }))
