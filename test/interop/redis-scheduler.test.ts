/** The lane scheduler of many processes, on a real redis-server. */
import { after, before } from 'node:test'
import { laneSchedulerContract } from '../../packages/mta/src/schedule/lane-scheduler.contract.ts'
import { openScheduler, spoolOf } from '../lab/redis-schedule.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

let redis: RedisServer
let queues = 0
before(async () => {
  redis = await startRedis()
})
const spools: AsyncDisposable[] = []
after(async () => {
  for (const spool of spools) await spool[Symbol.asyncDispose]()
  await redis[Symbol.asyncDispose]()
})

laneSchedulerContract(async () => {
  queues += 1
  const queue = `contract-${queues}`
  const { scheduler } = await openScheduler(redis.socket, queue)
  const spool = await spoolOf(redis.socket, queue)
  spools.push(spool)
  return { scheduler, spool }
})
