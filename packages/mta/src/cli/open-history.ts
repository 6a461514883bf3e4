/**
 * The delivery history for the command line: the running relay's, over its socket; when none runs, `history.db`
 * itself, which is only read.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { ObservedSearch } from '../admin/observed-order.ts'
import type { HistorySearch } from '../admin/trace-order.ts'
import type { Config } from '../config/schema.ts'
import { SqliteHistory } from '../history/adapters/sqlite-history.ts'
import { HISTORY_NAME } from '../history/adapters/sqlite-history-schema.ts'
import { tryHint } from './try-directory.ts'
import { EXIT, type Terminal } from './verb.ts'

export interface OpenedHistory {
  readonly history: HistorySearch & ObservedSearch
  /** `file`: no relay runs. */
  readonly by: 'relay' | 'file'
  close(): Promise<void>
}

/** Undefined when there is no history at all: no relay ran here, or it keeps none. */
export async function openHistory(config: Pick<Config, 'data_dir' | 'history'>): Promise<OpenedHistory | undefined> {
  const relay = await connectControl(join(config.data_dir, SOCKET_NAME))
  if (relay !== undefined) return { history: relay.history, by: 'relay', close: async () => undefined }
  const history = historyFile(config)
  return history && { history, by: 'file', close: () => history.close() }
}

export interface HistoryVerb {
  /** As the user would write it. */
  readonly words: string
  readonly terminal: Terminal
}

/** What a verb does with the history, and its exit code; without a history the user is told why. */
export async function withHistory(
  config: Config,
  { words, terminal }: HistoryVerb,
  use: (history: OpenedHistory['history']) => Promise<number>,
): Promise<number> {
  const opened = await openHistory(config)
  if (opened === undefined) {
    terminal.err(
      config.history.retention === 0
        ? 'No delivery history is kept: [history] retention is 0.\n'
        : `There is no delivery history in ${config.data_dir} yet: the relay has not run here.\n`,
    )
    terminal.err(tryHint(config, words))
    return EXIT.failed
  }
  if (opened.by === 'file') terminal.err('No relay runs; reading the file directly.\n')
  try {
    return await use(opened.history)
  } finally {
    await opened.close()
  }
}

/** Of a relay that does not run. */
export function historyFile({
  data_dir: dataDir,
  history: { retention, max_bytes: maxBytes },
}: Pick<Config, 'data_dir' | 'history'>): SqliteHistory | undefined {
  if (retention === 0 || !existsSync(join(dataDir, HISTORY_NAME))) return undefined
  return new SqliteHistory({ dataDir, retentionMs: retention, maxBytes, now: Date.now, mend: false })
}
