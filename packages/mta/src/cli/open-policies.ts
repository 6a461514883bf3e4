/**
 * The cached policies for the command line: the running relay's, over its socket; when none runs, `policy.db` itself,
 * or Redis. What is purged there is noted in it, and a relay that runs, or the next start, logs it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createPolicyAdmin, type PolicyAdmin } from '@hermetic/policy'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { Config } from '../config/schema.ts'
import { openPolicyKeeping } from '../wiring/policy-keeping.ts'
import { describeStartProblem } from './start-problem-text.ts'
import { UserError } from './verb.ts'

export interface OpenedPolicies {
  readonly policies: PolicyAdmin
  /** `file`, `redis`: no relay runs here. */
  readonly by: 'relay' | 'file' | 'redis'
  close(): void
}

/** Undefined when there is no cache at all: no relay ran here with MTA-STS. */
export async function openPolicies(config: Pick<Config, 'data_dir' | 'queue'>): Promise<OpenedPolicies | undefined> {
  const { data_dir: dataDir, queue } = config
  const relay = await connectControl(join(dataDir, SOCKET_NAME))
  if (relay !== undefined) return { policies: relay.policies, by: 'relay', close: () => undefined }
  const isFile = queue.engine === 'embedded'
  if (isFile && !existsSync(join(dataDir, 'policy.db'))) return undefined
  const keeping = await openPolicyKeeping(config, () => undefined)
  const opened = keeping.openPolicies(() => undefined)
  if (!opened.ok) throw new UserError(describeStartProblem(opened.error))
  const store = opened.value
  const { cache } = store
  return {
    policies: createPolicyAdmin({ cache, now: Date.now, tell: (purge) => store.noteOrder(purge) }),
    by: isFile ? 'file' : 'redis',
    close: () => {
      store.close()
      keeping.close()
    },
  }
}
