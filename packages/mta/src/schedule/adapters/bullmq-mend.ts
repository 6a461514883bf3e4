/**
 * Compares the schedule of many relays with the deliveries that the spool has in its lanes, and mends it: the jobs first,
 * then when each lane is due. May run while relays work: each step is one script, and a lane that is woken once too often
 * finds nothing to do.
 */

import { runScript, type Script } from '@hermetic/policy/redis-script'
import type { LaneId } from '../../delivery/lane.ts'
import type { RedisClient } from '../../redis/adapters/redis-connection.ts'
import { findingsOf } from '../../redis/found.ts'
import { LANE_JOBS, type QueueKeys } from '../../redis/keys.ts'
import { CLASS_SCORES_LUA, loadScript } from '../../redis/scripts.ts'
import { joinedFindings, type MendFinding } from '../../spool/mend-report.ts'
import { dueKeys } from './bullmq-due.ts'
import { BULLMQ_SCHEDULER_LIMITS } from './bullmq-scheduler.ts'

export interface MendSchedule {
  readonly client: RedisClient
  readonly keys: QueueKeys
  readonly fix: boolean
}

const JOBS = loadScript(import.meta.url, './bullmq-due.lua', '../../redis/found.lua', './bullmq-mend-jobs.lua')
const LANES = loadScript(
  import.meta.url,
  './bullmq-due.lua',
  CLASS_SCORES_LUA.href,
  '../../redis/found.lua',
  './bullmq-mend-lanes.lua',
)
const KEYS_PER_SCAN = 1000
const LANES_PER_CALL = 100

export async function mendSchedule(order: MendSchedule): Promise<readonly MendFinding[]> {
  const jobs = await mendJobs(order)
  return joinedFindings([...jobs, ...(await mendLanes(order))])
}

/** All at once: there are never more jobs than workers could soon take. */
async function mendJobs(order: MendSchedule): Promise<readonly MendFinding[]> {
  const seen = new Set<string>()
  for await (const names of namesBeginningWith(order.client, jobPrefix(order))) {
    for (const name of names) if (/^(?:\d+$|d[en]:)/.test(name)) seen.add(name)
  }
  return await found(order, JOBS, [jobPrefix(order), ...seen])
}

async function mendLanes(order: MendSchedule): Promise<readonly MendFinding[]> {
  const look = (lanes: readonly string[]) => found(order, LANES, [lanePrefix(order), jobPrefix(order), ...lanes])
  // First without lanes: mends sets that are none.
  const findings = [...(await look([]))]
  const lanes = new Set<string>()
  for await (const names of namesBeginningWith(order.client, lanePrefix(order)))
    for (const name of names) lanes.add(name)
  for await (const lane of dueLanes(order)) lanes.add(lane)
  const all = [...lanes]
  for (let at = 0; at < all.length; at += LANES_PER_CALL)
    findings.push(...(await look(all.slice(at, at + LANES_PER_CALL))))
  return findings
}

async function found(
  { client, keys, fix }: MendSchedule,
  script: Script,
  more: readonly string[],
): Promise<readonly MendFinding[]> {
  const reply = await runScript(client, script, {
    keys: dueKeys(keys),
    args: [BULLMQ_SCHEDULER_LIMITS.leaseMs, fix ? '1' : '0', ...more],
  })
  return findingsOf(reply)
}

function jobPrefix({ keys }: MendSchedule): string {
  return `${keys.tag}:${LANE_JOBS}:`
}

/** A lane that is named by nothing. */
const NO_LANE = '' as LaneId

function lanePrefix({ keys }: MendSchedule): string {
  return keys.laneDue(NO_LANE)
}

async function* dueLanes({ client, keys }: MendSchedule): AsyncGenerator<string> {
  if ((await client.type(keys.due)) !== 'zset') return
  for (let cursor = '0'; ; ) {
    const [next, members] = await client.zscan(keys.due, cursor, 'COUNT', KEYS_PER_SCAN)
    for (let at = 0; at < members.length; at += 2) yield members[at] ?? ''
    cursor = next
    if (cursor === '0') return
  }
}

async function* namesBeginningWith(client: RedisClient, prefix: string): AsyncGenerator<readonly string[]> {
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`
  for (let cursor = '0'; ; ) {
    const [next, keys] = await client.scan(cursor, 'MATCH', pattern, 'COUNT', KEYS_PER_SCAN)
    yield keys.map((key) => key.slice(prefix.length))
    cursor = next
    if (cursor === '0') return
  }
}
