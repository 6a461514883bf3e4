/**
 * The list of suppressed addresses for those who ask it, and what listens to deliveries for it. Where it is kept follows
 * the engine. With `[suppression] enabled = false` nothing of it exists.
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { createRedisSuppression } from '../suppression/adapters/redis-suppression.ts'
import { openSqliteSuppression } from '../suppression/adapters/sqlite-suppression.ts'
import { SuppressionKeeper } from '../suppression/keeper.ts'
import type { SuppressionList, SuppressionTerms } from '../suppression/suppression-list.ts'
import type { RedisGround } from './redis-ground.ts'
import type { StartProblem } from './start-problem.ts'
import type { Telling } from './telling.ts'

export interface SuppressionSide {
  readonly list: SuppressionList
  readonly find: SuppressionKeeper['find']
  /** After the last delivery. */
  close(): Promise<void>
}

export interface SuppressionGround {
  readonly shared?: Pick<RedisGround, 'client' | 'queue'>
}

export function openSuppressionSide(
  config: Config,
  { engine, telling }: { readonly engine: SuppressionGround; readonly telling: Telling },
): Result<SuppressionSide | undefined, StartProblem> {
  const { suppression } = config
  if (!suppression.enabled) return ok(undefined)
  const opened = openSuppressionList(config, engine)
  if (!opened.ok) return err({ kind: 'suppression', detail: opened.error })
  const { list, close } = opened.value
  const { emit } = telling
  const keeper = new SuppressionKeeper({
    list,
    statuses: suppression.statuses,
    single: suppression.strikes === 1,
    emit,
  })
  telling.follow((event) => {
    if (event.event === 'message-settled') keeper.settled(event.settled)
  })
  return ok({
    ...{ list, find: keeper.find },
    close: async () => {
      await keeper.flush()
      close()
    },
  })
}

/** The list alone, for the command line too. */
export function openSuppressionList(
  { data_dir: dataDir, suppression }: Pick<Config, 'data_dir' | 'suppression'>,
  { shared }: SuppressionGround,
): Result<{ readonly list: SuppressionList; close(): void }, string> {
  const { strikes, window: windowMs, expiry: expiryMs, max_entries: entriesMax } = suppression
  const terms = (): SuppressionTerms => ({ strikes, windowMs, expiryMs, entriesMax })
  if (shared !== undefined) {
    const list = createRedisSuppression({ ...shared, terms, now: Date.now })
    return ok({ list, close: () => undefined })
  }
  const file = openSqliteSuppression({ dataDir, terms, now: Date.now })
  return file.ok ? ok({ list: file.value, close: () => file.value.close() }) : file
}
