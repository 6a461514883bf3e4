/**
 * The delivery history of a running relay: the store in data_dir, and what listens to the relay for it. Whatever is
 * wrong with the file is told and waited for; a relay starts and works without it.
 */

import type { Config } from '../config/schema.ts'
import { SqliteHistory } from '../history/adapters/sqlite-history.ts'
import { removeHistory } from '../history/adapters/sqlite-history-schema.ts'
import type { DeliveryHistory } from '../history/delivery-history.ts'
import { type RecordedSpool, recordedSpool } from '../history/recorded-spool.ts'
import { HistoryRecorder } from '../history/recorder.ts'
import type { Telling } from './telling.ts'

export interface HistorySide {
  /** The spool for everybody; what enters it is recorded. */
  readonly spool: RecordedSpool
  /** Absent: no history is kept. */
  readonly search: Pick<DeliveryHistory, 'find' | 'observed'> | undefined
  /** After the spool has closed: nothing happens any more. */
  close(): Promise<void>
}

export function openHistorySide(
  { data_dir: dataDir, history: { retention, max_bytes: maxBytes } }: Config,
  { spool, telling }: { readonly spool: RecordedSpool; readonly telling: Telling },
): HistorySide {
  if (retention === 0) {
    removeHistory(dataDir)
    return { spool, search: undefined, close: async () => undefined }
  }
  const history = new SqliteHistory({ dataDir, retentionMs: retention, maxBytes, now: Date.now })
  const recorder = new HistoryRecorder({
    ...{ history, now: Date.now, emit: telling.emit },
    monotonic: () => performance.now(),
  })
  telling.follow((event) => recorder.tell(event))
  return {
    spool: recordedSpool(spool, recorder),
    search: {
      find: async (query) => {
        await recorder.caughtUp()
        return history.find(query)
      },
      observed: async (query) => {
        if (query.from === undefined) await recorder.caughtUp()
        return history.observed(query)
      },
    },
    close: async () => {
      await recorder.close()
      await history.close()
    },
  }
}
