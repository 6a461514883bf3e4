/**
 * A process that needs the policy of a domain, and shares a Redis with others: tells when it waits or fetches, fetches
 * when it is told to, and tells what it then knows. It ends with the connection to its parent.
 */
import {
  createStsSource,
  createStubResolver,
  type FetchSharing,
  ok,
  parseDomainName,
  parsePolicyFile,
  sharedPolicies,
} from '@hermetic/policy'
import { connected, connectRedis } from '../../packages/mta/src/redis/adapters/redis-connection.ts'

export interface FetchChildSettings {
  readonly redis: string
  readonly dns: { readonly address: string; readonly port: number }
  readonly policyDomain: string
}

export type FromFetchChild =
  | { readonly kind: 'waiting' | 'fetching' }
  | { readonly kind: 'knows'; readonly what: string }

const POLICY = 'version: STSv1\nmode: enforce\nmx: mx.example.test\nmax_age: 604800\n'

const settings = JSON.parse(process.argv[2] ?? '') as FetchChildSettings
const tell = (message: FromFetchChild) => process.send?.(message)
process.once('disconnect', () => process.exit())

const client = connectRedis({ url: settings.redis })
if (!(await connected(client, 5_000))) throw new Error('no Redis')
const emit = () => undefined
const shared = sharedPolicies({ client, name: 'children', now: Date.now, emit })
let waiting = false
const leases: FetchSharing['leases'] = {
  take: async (question) => {
    const lease = await shared.fetchLeases.take(question)
    if (lease.kind === 'theirs' && !waiting) {
      waiting = true
      tell({ kind: 'waiting' })
    }
    return lease
  },
  end: (...ended) => shared.fetchLeases.end(...ended),
}
const source = createStsSource({
  resolver: createStubResolver({ servers: [settings.dns], trust: 'none' }),
  ...{ cache: shared.cache, now: Date.now, random: Math.random, emit },
  sharing: { leases, signal: new AbortController().signal, pauseMs: 20 },
  fetch: async () => {
    const told = new Promise((resolve) => process.once('message', resolve))
    tell({ kind: 'fetching' })
    await told
    const policy = parsePolicyFile(Buffer.from(POLICY))
    if (!policy.ok) throw new Error('the policy is none')
    return ok({ policy: policy.value })
  },
})
const policyDomain = parseDomainName(settings.policyDomain)
if (!policyDomain.ok) throw new Error('no domain')
const facts = await source.policyFor(policyDomain.value)
tell({ kind: 'knows', what: facts.kind === 'policy' ? `${facts.mode} ${facts.id} ${facts.from}` : facts.kind })
