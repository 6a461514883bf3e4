/**
 * Policies and the memory of DANE by themselves, for whoever has no queue to open with them: the socketmap beside a
 * Postfix, and the command line.
 */
import { type EmitPolicyEvent, ok } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { LogEvent } from '../observability/log-events.ts'
import { type DnssecMemory, openDnssecMemory, openSharedDnssecMemory } from './dnssec-memory.ts'
import { type OpenPolicyStore, openFilePolicies, sharedPolicyStore } from './policy-store.ts'
import { openRedisGround } from './redis-ground.ts'

export interface PolicyKeeping {
  readonly openPolicies: OpenPolicyStore
  readonly openDnssecMemory: () => Promise<DnssecMemory>
  close(): void
}

export async function openPolicyKeeping(
  { data_dir: dataDir, queue }: Pick<Config, 'data_dir' | 'queue'>,
  emit: EmitPolicyEvent & ((event: LogEvent) => void),
): Promise<PolicyKeeping> {
  if (queue.engine === 'embedded') {
    return {
      openPolicies: (tell) => openFilePolicies(dataDir, tell),
      openDnssecMemory: () => openDnssecMemory(dataDir, emit),
      close: () => undefined,
    }
  }
  const ground = await openRedisGround(queue)
  const policies = ground.sharedPolicies(emit)
  return {
    openPolicies: () => ok(sharedPolicyStore(policies)),
    openDnssecMemory: () => openSharedDnssecMemory(policies.daneEnabled, emit),
    close: () => ground.close(),
  }
}
