/**
 * A relay world with MTA-STS: records, policy hosts on loopback, and the real source, guarded client and `policy.db`
 * between them and delivery. The cache outlives the world when it is given a directory.
 *
 *   await using world = await StsWorld.start({ policies: { 'example.test': { mode: 'enforce', mx: ['mx.example.test'] } }, … })
 */
import assert from 'node:assert/strict'
import {
  createStsSource,
  fetchPolicy,
  GuardedHttps,
  judgeAddress,
  openSqlitePolicyCache,
  parseCidr,
  type SessionResult,
  type StsSource,
} from '@hermetic/policy'
import { defaultRetryOptions } from '../../packages/mta/src/schedule/retry-schedule.ts'
import type { QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import type { NameRecords } from './dns-server.ts'
import { certificateFor } from './policy-certificates.ts'
import { PolicyHost } from './policy-host.ts'
import { type PolicySourceParts, RelayWorld, type WorldOptions } from './relay-world.ts'
import { labAuthority } from './world-host.ts'

export interface PolicyOptions {
  readonly mode: 'enforce' | 'testing' | 'none'
  readonly mx?: readonly string[]
  readonly maxAge?: number
  /** Of the record: `1` by default. */
  readonly id?: string
}

export interface StsWorldOptions extends Omit<WorldOptions, 'policySource'> {
  readonly policies?: Readonly<Record<string, PolicyOptions>>
  /** Where `policy.db` is; the world's own directory by default. */
  readonly cacheDir?: string
  /** The clock of policies, UTC milliseconds. */
  readonly now?: () => number
}

/** The next attempt may come at once. */
const RETRY = { ...defaultRetryOptions, quickMs: [1, 1, 1, 1], intervalMs: 1 }

export class StsWorld implements AsyncDisposable {
  readonly relay: RelayWorld
  /** Delivery's own. */
  readonly source: StsSource
  readonly #hosts: ReadonlyMap<string, PolicyHost>
  readonly #closing: readonly (() => void)[]
  #records: Readonly<Record<string, NameRecords>>

  static async start({ policies = {}, cacheDir, now = Date.now, ...options }: StsWorldOptions): Promise<StsWorld> {
    const hosts = new Map<string, PolicyHost>()
    const records: Record<string, NameRecords> = {}
    for (const [domain, policy] of Object.entries(policies)) {
      const host = await startPolicyHost(domain, policy)
      hosts.set(domain, host)
      records[`mta-sts.${domain}`] = { A: [host.address] }
      records[`_mta-sts.${domain}`] = stsRecord(policy.id ?? '1')
    }
    const closing: (() => void)[] = []
    const sources: StsSource[] = []
    const ca = [(await labAuthority()).certificate]
    const relay = await RelayWorld.start({
      // A lost answer means going without a policy: on a busy machine that must not look like a result.
      dnsTimeoutMs: 5_000,
      ...options,
      records: { ...records, ...options.records },
      delivery: { retry: RETRY, ...options.delivery },
      policySource: (parts) => {
        const source = startSource({ ...parts, dataDir: cacheDir ?? parts.dataDir, hosts, ca, closing, now })
        sources.push(source)
        return source
      },
    })
    const [source] = sources
    assert.ok(source !== undefined)
    return new StsWorld({ relay, source }, hosts, closing)
  }

  /** Use `start`. */
  private constructor(
    { relay, source }: Pick<StsWorld, 'relay' | 'source'>,
    hosts: ReadonlyMap<string, PolicyHost>,
    closing: readonly (() => void)[],
  ) {
    this.relay = relay
    this.source = source
    this.#hosts = hosts
    this.#closing = closing
    this.#records = relay.records
  }

  policyHost(domain: string): PolicyHost {
    const host = this.#hosts.get(domain)
    assert.ok(host !== undefined, `no policy host of ${domain} in this world`)
    return host
  }

  /** Another policy under another id, or under the same one when none is given. */
  publish(domain: string, policy: PolicyOptions): void {
    this.policyHost(domain).answer = { body: policyText(policy) }
    if (policy.id !== undefined) this.serve({ [`_mta-sts.${domain}`]: stsRecord(policy.id) })
  }

  /** What DNS says now. */
  get records(): Readonly<Record<string, NameRecords>> {
    return this.#records
  }

  serve(records: Readonly<Record<string, NameRecords>>): void {
    this.#records = { ...this.#records, ...records }
    this.relay.serve(this.#records)
  }

  /** Submits one message to bob at the domain and waits for the end of its attempt. */
  async send(domain: string): Promise<QueueId> {
    const id = await this.relay.submit({ to: [`bob@${domain}`] })
    await this.relay.settled(id)
    return id
  }

  /** One more attempt, although the lane rests. */
  async again(id: QueueId, domain: string, attempt = 2): Promise<void> {
    const { relay } = this
    await relay.until(() => {
      const settled = relay.eventsOf('message-settled').some((one) => one.id === id && one.attempt >= attempt)
      if (!settled) relay.scheduler.wake(relay.lane(domain), undefined, 'operator')
      return settled
    })
  }

  /** What each host and session was judged, in order; a report would count these. */
  get results(): readonly SessionResult[] {
    return this.relay.events.flatMap((event) =>
      event.event === 'channel-judged' || event.event === 'candidate-skipped' ? event.results : [],
    )
  }

  /** Waits until this many fetches have ended, and what they brought is in the cache. */
  async fetched(count: number): Promise<void> {
    const { relay } = this
    await relay.until(() => relay.eventsOf('sts-fetch-ended').length >= count, `${count} fetches`)
  }

  /** TXT questions for the record of the domain. */
  recordQueries(domain: string): number {
    return this.relay.dns.queries.filter(({ name, type }) => type === 'TXT' && name === `_mta-sts.${domain}`).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay.stop()
    for (const close of this.#closing) close()
    await this.relay[Symbol.asyncDispose]()
    for (const host of this.#hosts.values()) await host[Symbol.asyncDispose]()
  }
}

export function policyText({ mode, mx = [], maxAge = 86_400 }: PolicyOptions): string {
  const hosts = mx.map((pattern) => `mx: ${pattern}\n`).join('')
  return `version: STSv1\nmode: ${mode}\n${hosts}max_age: ${maxAge}\n`
}

function stsRecord(id: string): NameRecords {
  return { TXT: [`v=STSv1; id=${id}`] }
}

async function startPolicyHost(domain: string, policy: PolicyOptions): Promise<PolicyHost> {
  const pair = await certificateFor(`mta-sts.${domain}`, 'good', await labAuthority())
  return PolicyHost.start({ tls: pair, answer: { body: policyText(policy) } })
}

interface SourceStart extends PolicySourceParts {
  readonly hosts: ReadonlyMap<string, PolicyHost>
  readonly ca: readonly string[]
  readonly closing: (() => void)[]
  readonly now: () => number
}

function startSource({ resolver, dataDir, emit, hosts, ca, closing, now }: SourceStart): StsSource {
  const loopback = parseCidr('127.0.0.0/8')
  assert.ok(loopback.ok)
  const exceptions = [loopback.value]
  const guard = (address: string, port: number) => judgeAddress(address, { exceptions, ownListeners: [], port })
  const cache = openSqlitePolicyCache({ dataDir, now })
  assert.ok(cache.ok, JSON.stringify(cache))
  closing.push(() => cache.value.close())
  const https = new GuardedHttps({ resolver, guard, ca })
  return createStsSource({
    ...{ resolver, emit, now, cache: cache.value },
    fetch: (domain) => fetchPolicy(domain, { https, httpsPort: hosts.get(domain)?.port }),
    random: Math.random,
  })
}
