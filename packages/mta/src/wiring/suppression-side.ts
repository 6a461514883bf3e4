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
import type { Reloadable } from './reload.ts'
import type { StartProblem } from './start-problem.ts'
import type { Telling } from './telling.ts'

export interface SuppressionSide extends Reloadable {
  readonly list: SuppressionList
  readonly find: SuppressionKeeper['find']
  /** After the last delivery. */
  close(): Promise<void>
}

export interface SuppressionGround {
  readonly shared?: Pick<RedisGround, 'clientAt' | 'queue'>
}

export function openSuppressionSide(
  config: Config,
  { engine, telling }: { readonly engine: SuppressionGround; readonly telling: Telling },
): Result<SuppressionSide | undefined, StartProblem> {
  if (!config.suppression.enabled) return ok(undefined)
  let current = config
  const opened = openSuppressionList(config, engine, () => current.suppression)
  if (!opened.ok) return err({ kind: 'suppression', detail: opened.error })
  const { list, close } = opened.value
  const { emit } = telling
  const keeper = new SuppressionKeeper({
    ...{ list, emit },
    statuses: () => current.suppression.statuses,
    single: () => current.suppression.strikes === 1,
  })
  telling.follow((event) => {
    if (event.event === 'message-settled') keeper.settled(event.settled)
  })
  return ok({
    ...{ list, find: keeper.find },
    prepare: (next) =>
      ok(() => {
        current = next
      }),
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
  current: () => Config['suppression'] = () => suppression,
): Result<{ readonly list: SuppressionList; close(): void }, string> {
  const terms = (): SuppressionTerms => {
    const { strikes, window: windowMs, expiry: expiryMs, max_entries: entriesMax } = current()
    return { strikes, windowMs, expiryMs, entriesMax }
  }
  if (shared !== undefined) {
    const list = createRedisSuppression({
      ...{ client: shared.clientAt('suppression'), queue: shared.queue, terms, now: Date.now },
    })
    return ok({ list, close: () => undefined })
  }
  const file = openSqliteSuppression({ dataDir, terms, now: Date.now })
  return file.ok ? ok({ list: file.value, close: () => file.value.close() }) : file
}
