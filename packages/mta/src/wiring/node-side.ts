/**
 * This relay as a node among those of its queue: its id, its beats, and what draining means here. Relays with an
 * embedded queue are the only node of it.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { err, ok, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { LocalNodes } from '../nodes/adapters/local-nodes.ts'
import { RedisNodes } from '../nodes/adapters/redis-nodes.ts'
import { openNodeId } from '../nodes/node-id.ts'
import type { NodeId } from '../nodes/node-record.ts'
import type { NodeRegistry } from '../nodes/node-registry.ts'
import { type Drainable, NodeService, type NodeWorkload } from '../nodes/node-service.ts'
import { NodeWork } from '../nodes/node-work.ts'
import { isAlive, ownPidSpace } from '../nodes/own-pid-space.ts'
import { connected } from '../redis/adapters/redis-connection.ts'
import type { LaneScheduler } from '../schedule/lane-scheduler.ts'
import type { Engine } from './engine.ts'
import type { OpenListener } from './listeners.ts'
import type { RedisGround } from './redis-ground.ts'
import { servedRoles } from './served-roles.ts'
import type { StartProblem } from './start-problem.ts'
import type { Telling } from './telling.ts'

export interface NodeSide {
  readonly service: NodeService
  readonly work: NodeWork
  /** Everything runs. */
  ready(running: RunningParts): Promise<void>
}

export interface RunningParts {
  readonly listeners: readonly OpenListener[]
  readonly scheduler: LaneScheduler
  readonly inFlight: () => number
  /** Of what is under way when a drain begins. */
  readonly graceMs: number
}

export interface NodeParts {
  readonly shared: Engine['shared']
  readonly version: string
  readonly telling: Pick<Telling, 'emit' | 'follow'>
}

const CONNECT_MS = 5_000
const monotonic = (): number => performance.now()

/** Joins, or says who has the id. */
export async function joinNodes(
  config: Pick<Config, 'data_dir' | 'role' | 'api'>,
  { shared, version, telling }: NodeParts,
): Promise<Result<NodeSide, StartProblem>> {
  const { data_dir: dataDir } = config
  const roles = servedRoles(config)
  let id: NodeId
  try {
    id = await openNodeId(dataDir)
  } catch (error) {
    return err({ kind: 'node-id', directory: dataDir, error })
  }
  const work = new NodeWork(monotonic)
  telling.follow((event) => work.see(event))
  let sight: () => Pick<NodeWorkload, 'listeners' | 'inFlight'> = () => ({ listeners: [], inFlight: 0 })
  const whereabouts = { hostname: hostname(), pid: process.pid, pidSpace: ownPidSpace() }
  const service = new NodeService({
    registry: await openRegistry(shared),
    identity: { id, incarnation: randomUUID(), version, roles, startedAt: Date.now(), ...whereabouts },
    work: () => ({ ...work.look(), ...sight() }),
    ...{ isAlive, now: Date.now, monotonic, emit: telling.emit },
  })
  const joined = await service.join()
  if (!joined.ok) {
    await service.close()
    return err({ kind: 'node-taken', directory: dataDir, by: joined.error })
  }
  return ok({
    ...{ service, work },
    ready: async ({ listeners, scheduler, inFlight, graceMs }) => {
      const places = listeners.map(({ config: { kind }, listener: { address, port } }) => `${kind} ${address}:${port}`)
      sight = () => ({ listeners: places, inFlight: inFlight() })
      await service.ready(drainable(listeners, { scheduler, delivers: roles.includes('delivery') }, graceMs))
    },
  })
}

export async function openRegistry(shared: Pick<RedisGround, 'connect' | 'keys'> | undefined): Promise<NodeRegistry> {
  if (shared === undefined) return new LocalNodes({ monotonic })
  const client = shared.connect()
  await connected(client, CONNECT_MS)
  return new RedisNodes({ client, keys: shared.keys })
}

/** The scheduler of a node that does not deliver rests from its start to its end. */
function drainable(
  listeners: readonly OpenListener[],
  { scheduler, delivers }: { readonly scheduler: LaneScheduler; readonly delivers: boolean },
  graceMs: number,
): Drainable {
  return {
    begin: async () => {
      for (const { listener } of listeners) listener.drain()
      if (delivers) await scheduler.pause(graceMs)
    },
    end: async () => {
      if (delivers) scheduler.resume()
      for (const { listener } of listeners) listener.resume()
    },
  }
}
