/**
 * Overrides and preload list for the command line: those that the running relay started with; when none runs, those of the
 * configuration, which the next start will use.
 */
import { join } from 'node:path'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { Config } from '../config/schema.ts'
import type { LocalPolicyReport } from '../local-policy/report.ts'
import { openLocalPolicies } from '../wiring/local-policies.ts'
import { describeStartProblem } from './start-problem-text.ts'
import { UserError } from './verb.ts'

export interface OpenedLocalPolicy {
  readonly report: LocalPolicyReport
  /** `file`: no relay runs. */
  readonly by: 'relay' | 'file'
}

export async function openLocalPolicy(config: Config, now: () => number): Promise<OpenedLocalPolicy> {
  const relay = await connectControl(join(config.data_dir, SOCKET_NAME))
  if (relay !== undefined) return { report: await relay.localPolicies(), by: 'relay' }
  const local = openLocalPolicies(config, { emit: () => undefined, now })
  if (!local.ok) throw new UserError(describeStartProblem(local.error))
  return { report: local.value.report(), by: 'file' }
}
