/**
 * Explanations without a running relay: the same settings, resolver and rules in this process. The cached policy is
 * read and the file closed again at once, so that a relay can start meanwhile; what is fetched here is not kept.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type DomainName,
  err,
  ok,
  PolicyCacheUnavailable,
  type Result,
  type StoredPolicy,
  type StsSourceOptions,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { createExplainer, type Explain } from '../explain/explainer.ts'
import { configuredLimits } from './configured-limits.ts'
import { daneSource } from './dane-source.ts'
import { destinationOptions, network, readRoots } from './destination-options.ts'
import { openDnssecHere } from './dnssec-here.ts'
import { EgressGuard } from './egress-guard.ts'
import { explainWorld } from './explain-world.ts'
import { limitsTold } from './limits-told.ts'
import { openLocalPolicies } from './local-policies.ts'
import { nameServers } from './name-servers.ts'
import { openPolicyKeeping } from './policy-keeping.ts'
import { policySource } from './policy-side.ts'
import type { StartProblem } from './start-problem.ts'

export interface ExplainHere {
  readonly explain: Explain
  close(): Promise<void>
}

export async function openExplainHere(config: Config): Promise<Result<ExplainHere, StartProblem>> {
  const ca = readRoots(config)
  if (!ca.ok) return ca
  const local = openLocalPolicies(config, { emit: () => undefined, now: Date.now })
  if (!local.ok) return local
  const { servers, from } = await nameServers(config.dns.servers)
  const emit = (): void => undefined
  const dnssec = await openDnssecHere(config, { servers, serversNamed: from === 'configuration' })
  const { resolver } = dnssec
  const guard = new EgressGuard(config.egress.https_networks.map(network))
  const ending = new AbortController()
  const policies = config.mta_sts.enabled
    ? policySource(config, {
        ...{ resolver, emit, ca: ca.value, cache: readOnlyCache(config), signal: ending.signal },
        guard: (address, port) => guard.judge(address, port),
      })
    : undefined
  const destinations = destinationOptions(config, {
    ...{ resolver, emit, sts: policies?.source, ca: ca.value, local: local.value.settings },
    dane: daneSource(config, { resolver, dnssec, emit }),
  })
  for (const one of [destinations, guard]) one.setListeners(config.listener)
  return ok({
    explain: createExplainer(
      explainWorld(destinations.options, {
        ...{ by: 'command-line', policies: policies?.lookups },
        limitsOf: limitsTold(configuredLimits(config)),
      }),
    ),
    close: async () => {
      ending.abort()
      await dnssec.close()
    },
  })
}

/** What the relay has in its cache, and on top of it what was fetched in this process. */
function readOnlyCache(config: Config): StsSourceOptions['cache'] {
  const fetched = new Map<DomainName, StoredPolicy | undefined>()
  return {
    get: async (policyDomain) => {
      if (fetched.has(policyDomain)) return fetched.get(policyDomain)
      const stored = await readStored(config, policyDomain)
      if (!stored.ok) throw new PolicyCacheUnavailable(`the policy cache cannot be opened: ${stored.error}`)
      return stored.value
    },
    put: async (policyDomain, entry) => void fetched.set(policyDomain, { ...entry, policyDomain, failedRefreshes: 0 }),
    remove: async (policyDomain) => {
      fetched.set(policyDomain, undefined)
      return true
    },
    postponeRefresh: async () => undefined,
  }
}

async function readStored(config: Config, policyDomain: DomainName): Promise<Result<StoredPolicy | undefined, string>> {
  if (config.queue.engine === 'embedded' && !existsSync(join(config.data_dir, 'policy.db'))) return ok(undefined)
  const keeping = await openPolicyKeeping(config, () => undefined)
  try {
    const opened = keeping.openPolicies(() => undefined)
    if (!opened.ok) return err(opened.error.kind === 'policy-cache' ? opened.error.error.kind : opened.error.kind)
    try {
      return ok(await opened.value.cache.get(policyDomain))
    } finally {
      opened.value.close()
    }
  } finally {
    keeping.close()
  }
}
