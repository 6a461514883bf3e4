/**
 * A source on real parts for tests: name server, policy hosts, guarded client and `policy.db` on loopback, one clock
 * that the test moves.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { NameRecords } from '../../../../test/lab/dns-server.ts'
import { startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import type { CertificateVariant } from '../../../../test/lab/policy-certificates.ts'
import type { PolicyHost, PolicyHostOptions } from '../../../../test/lab/policy-host.ts'
import { domainName, PolicyHostWorld } from '../../../../test/lab/policy-host-world.ts'
import { openSqlitePolicyCache, type SqlitePolicyCache } from '../adapters/sqlite-policy-cache.ts'
import { createStubResolver } from '../dns/stub-resolver.ts'
import type { PolicyEvent } from '../ports/policy-events.ts'
import { invariant } from '../result.ts'
import { fetchPolicy } from './fetch.ts'
import { createStsSource, type StsSource, type StsSourceOptions } from './source.ts'

export const START = Date.UTC(2026, 10, 22)
export const MINUTE = 60_000
export const DAY = 86_400_000
export const RECORD_TTL = 60

type Event = PolicyEvent['event']

export class SourceBed {
  readonly world: PolicyHostWorld
  /** Answers TXT only; the world's own server knows the policy hosts. */
  readonly dns: Awaited<ReturnType<typeof startDnsServer>>
  readonly events: PolicyEvent[] = []
  now = START
  cache: SqlitePolicyCache
  source: StsSource
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'sts-source-'))
  readonly #ports = new Map<string, number>()
  readonly #records: Record<string, NameRecords> = {}
  readonly #https: ReturnType<PolicyHostWorld['client']>
  readonly #closing: (() => void)[] = []

  static async start(t: TestContext, options: Partial<StsSourceOptions> = {}): Promise<SourceBed> {
    const bed = new SourceBed(await PolicyHostWorld.start(), await startDnsServer(), options)
    t.after(() => bed.#close())
    return bed
  }

  private constructor(world: PolicyHostWorld, dns: SourceBed['dns'], options: Partial<StsSourceOptions>) {
    this.world = world
    this.dns = dns
    this.#https = world.client()
    this.cache = this.#openCache()
    this.source = this.#createSource(options)
  }

  /** The record of the domain; undefined takes it away. */
  record(domain: string, id: string | readonly string[] | undefined): void {
    const texts = typeof id === 'string' ? [`v=STSv1; id=${id}`] : id
    this.#records[`_mta-sts.${domain}`] = texts === undefined ? {} : { TXT: texts, ttl: RECORD_TTL }
    this.publish({})
  }

  publish(records: Readonly<Record<string, NameRecords>>): void {
    Object.assign(this.#records, records)
    this.dns.serve(zone(this.#records, { negativeTtl: RECORD_TTL }))
  }

  async host(
    domain: string,
    options: Partial<PolicyHostOptions> & { readonly certificate?: CertificateVariant } = {},
  ): Promise<PolicyHost> {
    const host = await this.world.policyHost(domain, options)
    this.#ports.set(domain, host.port)
    return host
  }

  /** Lets the TTL of what DNS said pass. */
  later(ms = RECORD_TTL * 1000 + 1): void {
    this.now += ms
  }

  /** As after the end of the process: only the file is left. */
  restart(options: Partial<StsSourceOptions> = {}): void {
    this.cache.close()
    this.cache = this.#openCache()
    this.source = this.#createSource(options)
  }

  policyFor(domain: string, options?: { readonly afresh?: boolean }) {
    return this.source.policyFor(domainName(domain), options)
  }

  /** In short: the mode and where it is from, or why there is none. */
  async said(domain: string): Promise<string> {
    const facts = await this.policyFor(domain)
    if (facts.kind === 'policy') return `${facts.mode} ${facts.id} ${facts.from}`
    return facts.kind === 'none' ? facts.because.kind : `unavailable ${facts.because}`
  }

  told<N extends Event>(event: N): readonly Extract<PolicyEvent, { readonly event: N }>[] {
    return this.events.filter((one): one is Extract<PolicyEvent, { readonly event: N }> => one.event === event)
  }

  /** Over the network; the source uses it unless a test says otherwise. */
  readonly fetch: StsSourceOptions['fetch'] = (domain) =>
    fetchPolicy(domain, { https: this.#https, httpsPort: this.#ports.get(domain) ?? 9 })

  #openCache(): SqlitePolicyCache {
    const opened = openSqlitePolicyCache({ dataDir: this.#dataDir, now: () => this.now, monotonic: () => this.now })
    invariant(opened.ok, 'the cache opens')
    return opened.value
  }

  /** Asks the bed's name server, with a cache of its own. */
  resolver(): StsSourceOptions['resolver'] {
    const resolver = createStubResolver({
      servers: [{ address: this.dns.address, port: this.dns.port }],
      trust: 'none',
      now: () => this.now,
      timeoutMs: 200,
      attempts: 1,
    })
    this.#closing.push(() => resolver.close())
    return resolver
  }

  #createSource(options: Partial<StsSourceOptions>): StsSource {
    return createStsSource({
      resolver: this.resolver(),
      cache: this.cache,
      fetch: this.fetch,
      now: () => this.now,
      random: () => 0.5,
      emit: (event) => this.events.push(event),
      ...options,
    })
  }

  async #close(): Promise<void> {
    for (const close of this.#closing) close()
    this.cache.close()
    await Promise.all([this.dns.close(), this.world[Symbol.asyncDispose]()])
    rmSync(this.#dataDir, { recursive: true, force: true })
  }
}

export function policyText(mode: string, { maxAge = 604_800, mx = 'mx.example.test' } = {}): string {
  return `version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: ${maxAge}\n`
}
