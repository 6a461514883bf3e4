/**
 * The cached policies for the command line: the running relay's, over its socket; when none runs, `policy.db` itself.
 * What is purged there is noted in the file, and the next start logs it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createPolicyAdmin, openSqlitePolicyCache, type PolicyAdmin } from '@hermetic/policy'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { Config } from '../config/schema.ts'
import { describeStartProblem } from './start-problem-text.ts'
import { UserError } from './verb.ts'

export interface OpenedPolicies {
  readonly policies: PolicyAdmin
  /** `file`: no relay runs. */
  readonly by: 'relay' | 'file'
  close(): void
}

/** Undefined when there is no cache at all: no relay ran here with MTA-STS. */
export async function openPolicies({
  data_dir: dataDir,
}: Pick<Config, 'data_dir'>): Promise<OpenedPolicies | undefined> {
  const relay = await connectControl(join(dataDir, SOCKET_NAME))
  if (relay !== undefined) return { policies: relay.policies, by: 'relay', close: () => undefined }
  if (!existsSync(join(dataDir, 'policy.db'))) return undefined
  const opened = openSqlitePolicyCache({ dataDir, now: Date.now })
  if (!opened.ok) throw new UserError(describeStartProblem({ kind: 'policy-cache', error: opened.error }))
  const cache = opened.value
  const policies = createPolicyAdmin({ cache, now: Date.now, tell: (purge) => cache.noteOrder(purge) })
  return { policies, by: 'file', close: () => cache.close() }
}
