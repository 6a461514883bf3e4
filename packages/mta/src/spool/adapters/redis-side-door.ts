/**
 * The Redis spool for a command line beside the relays: what operators order, and whole messages in and out. No
 * journals and no watch, which are of a relay and its data_dir, so it may be open while relays run, on the same host too.
 * It claims nothing, and whatever it changes is one transaction each.
 */
import type { Result } from '@hermetic/policy'
import { beginLife } from '../../redis/life.ts'
import type { MendReport } from '../mend-report.ts'
import type { SpoolAdmin } from '../spool.ts'
import type { SpoolMoves } from '../spool-moves.ts'
import type { Gone } from '../store-protocol.ts'
import { StoredMoves } from '../stored-moves.ts'
import { StoredSpoolAdmin } from '../stored-spool-admin.ts'
import { Watch } from '../watch.ts'
import {
  askRoom,
  onRedisGround,
  prepareContents,
  type RedisSpoolGround,
  type RedisSpoolOpenError,
  type RedisSpoolOptions,
} from './redis-spool.ts'
import { RedisStore } from './redis-store.ts'

const ROOM_WATCH_MS = 1000

export interface RedisSideDoor {
  readonly admin: SpoolAdmin
  readonly moves: SpoolMoves
  mend(order: { readonly fix: boolean }): Promise<MendReport>
  close(): Promise<void>
}

export function openRedisSideDoor(options: RedisSpoolOptions): Promise<Result<RedisSideDoor, RedisSpoolOpenError>> {
  return onRedisGround(options, build)
}

async function build(ground: RedisSpoolGround): Promise<RedisSideDoor> {
  const { connection, condition, mono, options } = ground
  const store = new RedisStore({
    ...{ connection, mono, keys: ground.keys },
    journal: { began: () => undefined, ended: () => undefined, flush: () => undefined },
    life: beginLife(),
    time: options.hooks?.time,
    onUsage: (usedBytes) => condition.space({ usedBytes }),
    onCommit: () => undefined,
  })
  const contents = await prepareContents(ground)
  const onGone = (gone: readonly Gone[]): void => {
    // One that resists is swept by a relay.
    for (const { id, inFile } of gone) if (inFile) void contents.remove(id).catch(() => undefined)
  }
  await askRoom(ground)
  const watch = new Watch()
  watch.every(ROOM_WATCH_MS, () => askRoom(ground))
  return {
    admin: new StoredSpoolAdmin(store, options.emit, onGone),
    moves: new StoredMoves({ link: store, contents, condition, onGone }),
    mend: (order) => store.ask('mend', order),
    close: async () => {
      watch.stop()
      connection.close()
    },
  }
}
