/**
 * Where the results of sessions are summed and reports wait: `tlsrpt.db` in data_dir. Opened before anything is counted, closed
 * after the last report was worked on.
 */
import { err, ok, type Result } from '@hermetic/policy'
import { openSqliteResultStore, type ResultStore } from '@hermetic/reporter'
import type { Config } from '../config/schema.ts'
import type { Opening } from './opening.ts'
import type { StartProblem } from './start-problem.ts'

/** Undefined: reports are off. */
export function openResultStore(
  { data_dir: dataDir, tlsrpt }: Config,
  opening: Opening,
): Result<ResultStore | undefined, StartProblem> {
  if (!tlsrpt.enabled) return ok(undefined)
  const opened = openSqliteResultStore({ dataDir, now: Date.now })
  if (!opened.ok) return err({ kind: 'result-store', error: opened.error })
  const store = opened.value
  opening.closesWith(() => store.close())
  return ok(store)
}
