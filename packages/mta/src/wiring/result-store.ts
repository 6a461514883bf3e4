/**
 * Where the results of sessions are summed and reports wait: `tlsrpt.db` in data_dir, or what relays share. Opened before
 * anything is counted, closed after the last report was worked on.
 */
import { err, ok, type Result } from '@hermetic/policy'
import { openSqliteResultStore, RedisResultStore, type ResultStore } from '@hermetic/reporter'
import type { Config } from '../config/schema.ts'
import type { Engine } from './engine.ts'
import type { Opening } from './opening.ts'
import type { StartProblem } from './start-problem.ts'

/** Undefined: reports are off. */
export function openResultStore(
  { data_dir: dataDir, tlsrpt }: Config,
  { shared, opening }: { readonly shared: Engine['shared'] | undefined; readonly opening: Opening },
): Result<ResultStore | undefined, StartProblem> {
  if (!tlsrpt.enabled) return ok(undefined)
  if (shared !== undefined)
    return ok(new RedisResultStore({ client: shared.clientAt('results'), name: shared.queue, now: Date.now }))
  const opened = openSqliteResultStore({ dataDir, now: Date.now })
  if (!opened.ok) return err({ kind: 'result-store', error: opened.error })
  const store = opened.value
  opening.closesWith(() => store.close())
  return ok(store)
}
