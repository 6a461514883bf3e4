/**
 * The list of suppressed addresses for the command line: the running relay's, over its socket; when none runs on this
 * data_dir, the list itself, which other relays of the queue may be using.
 */
import { join } from 'node:path'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { SuppressionAdmin } from '../admin/suppression-orders.ts'
import type { Config } from '../config/schema.ts'
import { openRedisGround } from '../wiring/redis-ground.ts'
import { openSuppressionList } from '../wiring/suppression-side.ts'
import { UserError } from './verb.ts'

export interface OpenedSuppression {
  readonly list: SuppressionAdmin
  readonly by: 'relay' | 'store'
  close(): void
}

export async function openSuppression(
  config: Pick<Config, 'data_dir' | 'queue' | 'suppression'>,
): Promise<OpenedSuppression> {
  const relay = await connectControl(join(config.data_dir, SOCKET_NAME))
  if (relay !== undefined) return { list: relay.suppression, by: 'relay', close: () => undefined }
  const shared = config.queue.engine === 'redis' ? await openRedisGround(config.queue) : undefined
  const opened = openSuppressionList(config, shared === undefined ? {} : { shared })
  if (!opened.ok) {
    shared?.close()
    throw new UserError(opened.error)
  }
  const { list, close } = opened.value
  return {
    list,
    by: 'store',
    close: () => {
      close()
      shared?.close()
    },
  }
}
