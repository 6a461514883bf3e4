/**
 * The nodes of the queue for the command line: as the relay of this data_dir knows them; when none runs and the queue
 * is in Redis, as Redis does.
 */
import { join } from 'node:path'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { NodeOrders } from '../admin/nodes-orders.ts'
import type { Config } from '../config/schema.ts'
import { NodesUnavailable } from '../nodes/node-registry.ts'
import { openRegistry } from '../wiring/node-side.ts'
import { openRedisGround } from '../wiring/redis-ground.ts'
import { UserError } from './verb.ts'

export interface OpenedNodes extends NodeOrders {
  /** `store`: no relay runs here. */
  readonly by: 'relay' | 'store'
  close(): void
}

/** Undefined: no relay runs here, and nobody else knows of one. */
export async function openNodes({
  data_dir: dataDir,
  queue,
}: Pick<Config, 'data_dir' | 'queue'>): Promise<OpenedNodes | undefined> {
  const relay = await connectControl(join(dataDir, SOCKET_NAME))
  if (relay !== undefined) return { ...relay.nodes, by: 'relay', close: () => undefined }
  if (queue.engine !== 'redis') return undefined
  const ground = await openRedisGround(queue)
  const registry = await openRegistry(ground)
  return {
    by: 'store',
    report: () => answered(async () => ({ nodes: await registry.list() })),
    order: (id, wish) => answered(() => registry.order(id, wish)),
    close: () => {
      registry.close()
      ground.close()
    },
  }
}

async function answered<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof NodesUnavailable)) throw error
    throw new UserError(`Redis cannot be asked ([queue] redis_url): ${error.message}`)
  }
}
