/**
 * The engine that the settings name; the embedded one, which is one process with all its files, is put together here.
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { createLocalPermits } from '../limits/adapters/local-permits.ts'
import { createLocalScheduler } from '../schedule/adapters/local-scheduler.ts'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { configuredLimits } from './configured-limits.ts'
import { openDnssecMemory } from './dnssec-memory.ts'
import type { Engine, EngineParts } from './engine.ts'
import { openFilePolicies } from './policy-store.ts'
import { openRedisEngine } from './redis-engine.ts'
import type { StartProblem } from './start-problem.ts'

export function openEngine(config: Config, parts: EngineParts): Promise<Result<Engine, StartProblem>> {
  const { queue } = config
  return queue.engine === 'redis' ? openRedisEngine(config, { ...parts, queue }) : openEmbeddedEngine(config, parts)
}

async function openEmbeddedEngine(
  config: Config,
  { setAsideAfterDeaths, emit, hooks }: EngineParts,
): Promise<Result<Engine, StartProblem>> {
  const { data_dir: dataDir } = config
  const opened = await openSqliteSpool({
    ...{ dataDir, setAsideAfterDeaths, emit },
    maxBytes: config.queue.max_bytes,
    ...(hooks === undefined ? {} : { hooks }),
  })
  if (!opened.ok) return err({ kind: 'spool', error: opened.error })
  const spool = opened.value
  const limits = configuredLimits(config)
  return ok({
    spool,
    staging: spool.staging,
    scheduler: createLocalScheduler({ dueLanes: (query) => spool.dueLanes(query), now: Date.now, emit }),
    permits: createLocalPermits({ limitsOf: (site) => limits.limitsOf(site) }),
    openPolicies: (tell) => openFilePolicies(dataDir, tell),
    openDnssecMemory: () => openDnssecMemory(dataDir, emit),
    state: () => ({ engine: 'embedded' }),
    close: () => spool.close(),
  })
}
