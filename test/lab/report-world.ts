/**
 * A DANE world whose sessions are counted for reports: the real counter and `tlsrpt.db` behind real deliveries.
 *
 *   await using world = await ReportWorld.start({ policy: { mode: 'testing', mx: [MX] }, host: { tls: 'expired' } })
 *   await world.sts.send(DOMAIN)
 *   assert.deepEqual(await world.sums(), ['tlsa: 1 good', 'sts: 1 failed (certificate-expired)'])
 *
 * The domain publishes a record at `_smtp._tls` unless the test says otherwise.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStubResolver, type DomainName, parseDomainName, type StubResolver } from '@hermetic/policy'
import {
  lookUpTlsrptRecord,
  openSqliteResultStore,
  type PolicyEntry,
  type ReportCountingEvent,
  type ResultStore,
  reportedPolicies,
  SessionCounter,
  type SqliteResultStore,
  utcDayOf,
} from '@hermetic/reporter'
import type { TlsReports } from '../../packages/mta/src/delivery/report-mapping.ts'
import { type DaneWorldOptions, DOMAIN, startDaneWorld } from './dane-world.ts'
import type { NameRecords } from './dns-server.ts'
import type { ScriptedMx } from './scripted-mx.ts'
import type { StsWorld } from './sts-world.ts'

export interface ReportWorldOptions extends DaneWorldOptions {
  /** TXT at `_smtp._tls` of the domain; empty: none. */
  readonly record?: readonly string[]
}

const RECORD = ['v=TLSRPTv1; rua=mailto:reports@example.org']

export class ReportWorld implements AsyncDisposable {
  readonly sts: StsWorld
  readonly store: ResultStore
  readonly counter: SessionCounter
  readonly events: readonly ReportCountingEvent[]
  /** Lookups of records, made in the background. */
  readonly #asking: ReadonlySet<Promise<unknown>>
  readonly #resolver: StubResolver
  readonly #close: () => Promise<void>

  static async start({ record = RECORD, ...options }: ReportWorldOptions = {}): Promise<ReportWorld> {
    const dataDir = await mkdtemp(join(tmpdir(), 'report-world-'))
    const opened = openSqliteResultStore({ dataDir, now: Date.now })
    assert.ok(opened.ok, JSON.stringify(opened))
    const events: ReportCountingEvent[] = []
    const asking = new Set<Promise<unknown>>()
    let resolver: StubResolver | undefined
    const counter = new SessionCounter({
      store: opened.value,
      lookUp: async (domain) => {
        assert.ok(resolver !== undefined, 'the world is up before mail goes')
        const answer = lookUpTlsrptRecord(resolver, domain)
        asking.add(answer)
        return answer
      },
      ...{ now: Date.now, monotonic: () => performance.now(), newBatchId: () => `${performance.now()}` },
      emit: (event) => void events.push(event),
    })
    const sts = await startDaneWorld({
      ...options,
      delivery: { reports: reportsOf(counter), ...options.delivery },
      others: { ...options.others, records: { ...tlsrptRecord(DOMAIN, record), ...options.others?.records } },
    })
    const { address, port } = sts.relay.dns
    resolver = createStubResolver({ servers: [{ address, port }], trust: 'ad', timeoutMs: 1_000, attempts: 1 })
    return new ReportWorld({ sts, store: opened.value, counter, events, asking, resolver, dataDir })
  }

  /** Use `start`. */
  private constructor(parts: {
    readonly sts: StsWorld
    readonly store: SqliteResultStore
    readonly counter: SessionCounter
    readonly events: readonly ReportCountingEvent[]
    readonly asking: ReadonlySet<Promise<unknown>>
    readonly resolver: StubResolver
    readonly dataDir: string
  }) {
    this.sts = parts.sts
    this.store = parts.store
    this.counter = parts.counter
    this.events = parts.events
    this.#asking = parts.asking
    this.#resolver = parts.resolver
    this.#close = async () => {
      parts.store.close()
      await rm(parts.dataDir, { recursive: true, force: true })
    }
  }

  mx(name: string): ScriptedMx {
    return this.sts.relay.mx(name)
  }

  /** What was counted of today, as a report would tell it; undefined: nothing. */
  async entries(domain: string = DOMAIN): Promise<readonly PolicyEntry[] | undefined> {
    await this.settled()
    const name = parsed(domain)
    const tally = await this.store.tally(name, utcDayOf(Date.now()))
    return tally && reportedPolicies(name, tally)
  }

  /** The same in a line for each policy, `tlsa` first; the empty list: nothing. */
  async sums(domain: string = DOMAIN): Promise<readonly string[]> {
    return ((await this.entries(domain)) ?? []).map(line).toSorted().toReversed()
  }

  /** Everything that was seen is in the store. */
  async settled(): Promise<void> {
    await Promise.all(this.#asking)
    await new Promise((resolve) => setImmediate(resolve))
    await this.counter.flush()
  }

  /** TXT questions for the record of the domain. */
  recordQueries(domain: string = DOMAIN): number {
    return this.sts.relay.dns.queries.filter(({ name, type }) => type === 'TXT' && name === `_smtp._tls.${domain}`)
      .length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sts[Symbol.asyncDispose]()
    await this.counter.close()
    this.#resolver.close()
    await this.#close()
  }
}

function reportsOf(counter: SessionCounter): TlsReports {
  return {
    session: (seen) => counter.count(seen),
    failedFetch: (failure) => counter.countFailedFetch(failure),
  }
}

export function tlsrptRecord(
  domain: string,
  record: readonly string[] = RECORD,
): Readonly<Record<string, NameRecords>> {
  return record.length === 0 ? {} : { [`_smtp._tls.${domain}`]: { TXT: [...record] } }
}

function parsed(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok, text)
  return name.value
}

function line({ policy, summary, 'failure-details': details }: PolicyEntry): string {
  const { 'total-successful-session-count': good, 'total-failure-session-count': failed } = summary
  const reasons = details.map((detail) => {
    const { 'result-type': type, 'failure-reason-code': reason, 'failed-session-count': count } = detail
    return `${type}${reason === undefined ? '' : `: ${reason}`}${count === failed ? '' : ` x ${count}`}`
  })
  const parts = [
    ...(good === 0 ? [] : [`${good} good`]),
    ...(failed === 0 ? [] : [`${failed} failed (${reasons.toSorted().join(', ')})`]),
  ]
  return `${policy['policy-type']}: ${parts.join(', ')}`
}
