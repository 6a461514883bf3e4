/**
 * The queue for the command line: the running relay's, over its socket; when none runs, the files themselves,
 * opened alone and closed again.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { Config } from '../config/schema.ts'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import type { SpoolAdmin } from '../spool/spool.ts'
import { describeSpoolProblem } from './start-problem-text.ts'
import { UserError } from './verb.ts'

export interface OpenedQueue {
  readonly queue: SpoolAdmin
  /** `files`: no relay runs. */
  readonly by: 'relay' | 'files'
  close(): Promise<void>
}

/** Undefined when there is no queue at all: the relay never ran here. */
export async function openQueue({
  data_dir,
  queue,
}: Pick<Config, 'data_dir' | 'queue'>): Promise<OpenedQueue | undefined> {
  const relay = await connectControl(join(data_dir, SOCKET_NAME))
  if (relay !== undefined) return { queue: relay.queue, by: 'relay', close: async () => undefined }
  if (!existsSync(join(data_dir, 'spool.db'))) return undefined
  const opened = await openSqliteSpool({ dataDir: data_dir, maxBytes: queue.max_bytes, emit: () => undefined })
  if (!opened.ok) throw new UserError(describeSpoolProblem(opened.error))
  const spool = opened.value
  return { queue: spool.admin, by: 'files', close: () => spool.close() }
}
