/**
 * A run with nothing else in it: a store on disk, a name server and endpoints on loopback, a clock that tests set; a queue
 * that only keeps what it gets, for the real one is in the relay.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DomainName, StubResolver } from '@hermetic/policy'
import { certificateFor } from '../../../test/lab/policy-certificates.ts'
import { PolicyHostWorld } from '../../../test/lab/policy-host-world.ts'
import { ReportEndpoint } from '../../../test/lab/report-endpoint.ts'
import { openSqliteResultStore, type SqliteResultStore } from './adapters/sqlite-result-store.ts'
import type { MailAnswer, OutgoingReport } from './ports/report-mailer.ts'
import type { TargetState } from './ports/result-store.ts'
import type { Signer } from './ports/signer.ts'
import { DAY, domain, SUBMITTER } from './report.fixture.ts'
import { type RunOptions, type RunRequest, type RunSummary, runReports } from './run.ts'
import type { ReportSendingEvent } from './sending-events.ts'
import { submitByHttps } from './submit-https.ts'
import { submitByMail } from './submit-mailto.ts'
import { sessionTally } from './tally.ts'
import { dayClosesAt, type UtcDay } from './utc-day.ts'

const ENDPOINT = 'reports.rcpt.example'
const HOUR_MS = 3_600_000
/** After the time of every report of the day. */
export const ALL_DUE = dayClosesAt(DAY) + 5 * HOUR_MS

export class RunBed implements AsyncDisposable {
  readonly world: PolicyHostWorld
  readonly endpoint: ReportEndpoint
  readonly mails: OutgoingReport[] = []
  readonly events: ReportSendingEvent[] = []
  readonly #directories: string[] = []
  readonly #resolver: StubResolver
  #store: SqliteResultStore | undefined
  now = ALL_DUE
  mailAnswer: () => MailAnswer = () => ({ kind: 'queued', name: 'a-queue-id' })
  signer: Signer | undefined = { domain: SUBMITTER, sign: async (message) => message }
  contactInfo = `tlsrpt@${SUBMITTER}`
  reportsPerSiteMax = 1_000

  static async start(): Promise<RunBed> {
    const world = await PolicyHostWorld.start()
    return new RunBed(world, await ReportEndpoint.start(await certificateFor(ENDPOINT, 'good', world.authority)))
  }

  /** Use `start`. */
  private constructor(world: PolicyHostWorld, endpoint: ReportEndpoint) {
    this.world = world
    this.endpoint = endpoint
    this.#resolver = world.resolver()
    world.publish({ [ENDPOINT]: { A: [endpoint.address] } })
  }

  get store(): SqliteResultStore {
    if (this.#store === undefined) throw new Error('fresh() first')
    return this.#store
  }

  /** An empty store, an endpoint that takes everything, nothing seen. */
  fresh(): void {
    this.#store?.close()
    this.#store = this.anotherStore()
    for (const seen of [this.mails, this.events, this.endpoint.posted]) seen.length = 0
    this.endpoint.answer = () => ({ status: 200 })
    this.mailAnswer = () => ({ kind: 'queued', name: 'a-queue-id' })
    this.now = ALL_DUE
    this.reportsPerSiteMax = 1_000
    this.contactInfo = `tlsrpt@${SUBMITTER}`
    this.signer = { domain: SUBMITTER, sign: async (message) => message }
  }

  anotherStore(): SqliteResultStore {
    const dataDir = mkdtempSync(join(tmpdir(), 'hermetic-run-'))
    this.#directories.push(dataDir)
    const store = openSqliteResultStore({ dataDir, now: () => this.now })
    if (!store.ok) throw new Error(store.error.kind)
    return store.value
  }

  https(path = '/'): string {
    return `https://${ENDPOINT}:${this.endpoint.port}${path}`
  }

  publish(policyDomain: string, ...texts: readonly string[]): void {
    // No caching: tests change their minds.
    this.world.publish({ [`_smtp._tls.${policyDomain}`]: { TXT: texts, ttl: 0 } })
  }

  /** One session without a policy. */
  async seen(policyDomain: string, day: UtcDay = DAY): Promise<DomainName> {
    const name = domain(policyDomain)
    const policy = { policyType: 'no-policy-found', policyDomain: name, policyString: [], mxHost: [] } as const
    const tally = sessionTally({ policy, failures: [] })
    await this.store.addBatch(`${policyDomain} ${day}`, [{ day, policyDomain: name, tally }])
    return name
  }

  options(changes: Partial<RunOptions> = {}): RunOptions {
    const https = this.world.client({ deadlineMs: 700 })
    return {
      store: this.store,
      resolver: this.#resolver,
      reporter: { organizationName: 'Sender', contactInfo: this.contactInfo },
      submit: {
        mailto: (stored, target, time) =>
          submitByMail(stored, target, { mailer: this.#mailer, signer: this.signer, ...time }),
        https: (stored, target, signal) => submitByHttps(stored, target, { https, signal }),
      },
      now: () => this.now,
      monotonic: () => performance.now(),
      random: () => 0.5,
      emit: (event) => void this.events.push(event),
      reportsPerSiteMax: this.reportsPerSiteMax,
      ...changes,
    }
  }

  run(request: Partial<RunRequest> = {}, changes: Partial<RunOptions> = {}): Promise<RunSummary> {
    return runReports(this.options(changes), { signal: new AbortController().signal, ...request })
  }

  async targets(day: UtcDay = DAY): Promise<readonly TargetState[]> {
    return (await this.store.reports(day, { limit: 10 })).flatMap(({ targets }) => targets)
  }

  /** `event` and its reason, in order. */
  told(): readonly string[] {
    return this.events.map((event) => `${event.event}${'reason' in event ? ` ${event.reason}` : ''}`)
  }

  readonly #mailer = {
    submit: async (mail: OutgoingReport): Promise<MailAnswer> => {
      const answer = this.mailAnswer()
      if (answer.kind === 'queued') this.mails.push(mail)
      return answer
    },
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store?.close()
    await this.endpoint[Symbol.asyncDispose]()
    await this.world[Symbol.asyncDispose]()
    for (const directory of this.#directories) rmSync(directory, { recursive: true, force: true })
  }
}
