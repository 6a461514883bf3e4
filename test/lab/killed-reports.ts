/**
 * Runs of reports that are killed and begun anew, each in a process of its own, and what came of them: a name server and
 * an endpoint that outlive them all, and a data_dir for each series.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { generateKeyPem } from '../../packages/mta/src/signing/generate-key.ts'
import { openSqliteResultStore } from '../../packages/reporter/src/adapters/sqlite-result-store.ts'
import type { ResultStore } from '../../packages/reporter/src/ports/result-store.ts'
import { sessionTally } from '../../packages/reporter/src/tally.ts'
import { dayClosesAt, parseUtcDay } from '../../packages/reporter/src/utc-day.ts'
import { createAuthority } from './ca.ts'
import { type DnsServer, startDnsServer, zone } from './dns-server.ts'
import { certificateFor } from './policy-certificates.ts'
import { domainName } from './policy-host-world.ts'
import { ReportEndpoint } from './report-endpoint.ts'
import type { ReportRunEnd, ReportRunTask } from './report-run-child.ts'

const CHILD = fileURLToPath(new URL('report-run-child.ts', import.meta.url))
const HOST = 'reports.example'
const DAY = parseUtcDay('2026-11-20')
/** Every report of the day is due; each run is so much later that the lease of a dead one is over. */
const FIRST_RUN_AT = DAY === undefined ? 0 : dayClosesAt(DAY) + 5 * 3_600_000
const BETWEEN_RUNS_MS = 10 * 60_000
const RUNS_MAX = 10

export interface RaceEnd {
  readonly posted: readonly number[]
  readonly mails: readonly string[]
  readonly unfinished: number | undefined
}

export class KilledReports implements AsyncDisposable {
  readonly #dns: DnsServer
  readonly #endpoint: ReportEndpoint
  readonly #ca: string
  readonly #domains: readonly string[]
  readonly #pem = generateKeyPem('rsa')

  /** Reports about so many domains. */
  static async start({ domains: count = 2 }: { readonly domains?: number } = {}): Promise<KilledReports> {
    const domains = Array.from({ length: count }, (_, at) => `d${at}.example`)
    const authority = await createAuthority()
    const endpoint = await ReportEndpoint.start(await certificateFor(HOST, 'good', authority))
    const asked = domains.map((domain) => {
      const rua = `mailto:${mailbox(domain)}@mail.example,https://${HOST}:${endpoint.port}/${domain}`
      return [`_smtp._tls.${domain}`, { TXT: [`v=TLSRPTv1; rua=${rua}`] }] as const
    })
    const records = { [HOST]: { A: [endpoint.address] }, ...Object.fromEntries(asked) }
    const dns = await startDnsServer({ zones: [zone(records)] })
    return new KilledReports({ dns, endpoint, ca: authority.certificate, domains })
  }

  /** Use `start`. */
  private constructor(parts: {
    readonly dns: DnsServer
    readonly endpoint: ReportEndpoint
    readonly ca: string
    readonly domains: readonly string[]
  }) {
    this.#dns = parts.dns
    this.#endpoint = parts.endpoint
    this.#ca = parts.ca
    this.#domains = parts.domains
  }

  /** How many steps a run has that nobody disturbs. */
  async steps(): Promise<number> {
    return (await this.#series([])).steps
  }

  /**
   * Runs that die at these steps, one after the other, then as many as it takes; each target must have its report then,
   * the same octets however often.
   */
  async killedAt(...deaths: readonly number[]): Promise<void> {
    await this.#series(deaths)
  }

  /** The endpoint has the report, and the run dies before it knows. */
  async killedBeforeTheAnswer(): Promise<void> {
    await this.#series(['before-the-answer'])
  }

  /**
   * Nodes that share a store of results and run at the same moment, some of which die; then those that live once more.
   * Answers how often each domain was posted to, and how many mails are queued at nodes that lived.
   */
  async race(redis: string, store: ResultStore, deaths: readonly number[]): Promise<RaceEnd> {
    this.#endpoint.posted.length = 0
    await seedStore(store, this.#domains)
    const nodes = deaths.map((dieAt) => ({ dieAt, dataDir: mkdtempSync(join(tmpdir(), 'hermetic-node-')) }))
    try {
      await Promise.all(nodes.map(({ dataDir, dieAt }) => this.#run(dataDir, 0, dieAt, { redis })))
      const living = nodes.filter(({ dieAt }) => dieAt === 0)
      const ends = await Promise.all(living.map(({ dataDir }) => this.#run(dataDir, 1, 0, { redis })))
      const bodies = this.#domains.map((domain) =>
        this.#endpoint.posted.filter(({ target }) => target === `/${domain}`).map(({ body }) => body),
      )
      const same = bodies.every((of) => of.every((body) => body.equals(of[0] ?? Buffer.of())))
      assert.ok(same, 'whoever got a report again got the same octets')
      return {
        posted: bodies.map((of) => of.length),
        mails: ends.flatMap((end) => end?.mails ?? []).map(({ recipient }) => recipient),
        unfinished: ends[0]?.unfinished,
      }
    } finally {
      for (const { dataDir } of nodes) rmSync(dataDir, { recursive: true, force: true })
    }
  }

  /**
   * Nodes that share the queue as well: the first dies each time when the queue has a mail and before it knows, then
   * another takes over. Answers the recipients of all mails that were ever queued, with the hashes of their contents.
   */
  async killedWhenQueued(redis: string, store: ResultStore, deaths: number): Promise<ReportRunEnd['mails']> {
    await seedStore(store, this.#domains)
    const directory = mkdtempSync(join(tmpdir(), 'hermetic-nodes-'))
    const node = (turn: number, dieQueued: boolean): Promise<ReportRunEnd | undefined> =>
      this.#run(join(directory, `node-${turn}`), turn, 0, {
        redis,
        sharedContent: join(directory, 'content'),
        dieQueued,
      })
    try {
      for (let turn = 0; turn < deaths; turn += 1) {
        assert.equal(await node(turn, true), undefined, `node ${turn} was killed`)
      }
      for (let turn = deaths; turn < RUNS_MAX + deaths; turn += 1) {
        const end = await node(turn, false)
        assert.ok(end !== undefined)
        if (end.unfinished === 0) return end.mails
      }
      throw new assert.AssertionError({ message: 'reports are missing' })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  async #series(deaths: readonly (number | 'before-the-answer')[]): Promise<ReportRunEnd> {
    const dataDir = mkdtempSync(join(tmpdir(), 'hermetic-killed-'))
    this.#endpoint.posted.length = 0
    try {
      await seed(dataDir, this.#domains)
      for (const [turn, death] of deaths.entries()) {
        const end = await this.#run(dataDir, turn, death)
        // What runs before it have done is not done again, so a later one may have fewer steps.
        assert.ok(end === undefined || turn > 0, `a run that dies at ${death} ended well`)
      }
      for (let turn = deaths.length; turn < RUNS_MAX; turn += 1) {
        const end = await this.#run(dataDir, turn, 0)
        assert.ok(end !== undefined, 'nobody kills this run')
        if (end.unfinished > 0 || end.targets.length < 2 * this.#domains.length) continue
        this.#judge(end)
        return end
      }
      throw new assert.AssertionError({ message: `reports are missing after ${RUNS_MAX} runs` })
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  }

  #judge({ targets, mails }: ReportRunEnd): void {
    const states = targets.map((target) => target.split(' ')[1])
    const served = this.#domains.flatMap(() => ['accepted', 'queued'])
    assert.deepEqual(states.toSorted(), served.toSorted(), targets.join('\n'))
    // The queue takes an id once; nothing has left it.
    assert.deepEqual(mails.map(({ recipient }) => recipient).toSorted(), this.#domains.map(mailbox).toSorted())
    for (const domain of this.#domains) {
      const bodies = this.#endpoint.posted.filter(({ target }) => target === `/${domain}`).map(({ body }) => body)
      assert.ok(bodies.length >= 1, `${domain} has its report`)
      assert.ok(
        bodies.every((body) => body.equals(bodies[0] ?? Buffer.of())),
        `${domain} got the same octets ${bodies.length} times`,
      )
    }
  }

  async #run(
    dataDir: string,
    turn: number,
    death: number | 'before-the-answer',
    shared: Pick<ReportRunTask, 'redis' | 'sharedContent' | 'dieQueued'> = {},
  ): Promise<ReportRunEnd | undefined> {
    const { address, port } = this.#dns
    const task: ReportRunTask = {
      ...{ dataDir, dns: { address, port }, ca: this.#ca, pem: this.#pem },
      now: FIRST_RUN_AT + turn * BETWEEN_RUNS_MS,
      dieAt: death === 'before-the-answer' ? 0 : death,
      ...shared,
    }
    const child = spawn(process.execPath, [CHILD, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#endpoint.answer = () => {
      if (death === 'before-the-answer') child.kill('SIGKILL')
      return { status: 200 }
    }
    const [output, signal] = await Promise.all([text(child.stdout), ended(child)])
    if (signal === 'SIGKILL') return undefined
    return JSON.parse(output) as ReportRunEnd
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint[Symbol.asyncDispose]()
    await this.#dns.close()
  }
}

function ended(child: ChildProcess): Promise<NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (_code, signal) => resolve(signal))
  })
}

function mailbox(domain: string): string {
  return domain.replace('.example', '')
}

async function seed(dataDir: string, domains: readonly string[]): Promise<void> {
  const store = openSqliteResultStore({ dataDir, now: () => FIRST_RUN_AT })
  assert.ok(store.ok)
  await seedStore(store.value, domains)
  store.value.close()
}

async function seedStore(store: Pick<ResultStore, 'addBatch'>, domains: readonly string[]): Promise<void> {
  assert.ok(DAY !== undefined)
  const tallies = domains.map((name) => {
    const policyDomain = domainName(name)
    const policy = { policyType: 'no-policy-found', policyDomain, policyString: [], mxHost: [] } as const
    return { day: DAY, policyDomain, tally: sessionTally({ policy, failures: [] }) }
  })
  await store.addBatch('seed', tallies)
}
