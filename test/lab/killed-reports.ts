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
const DOMAINS = ['a.example', 'b.example'] as const
const DAY = parseUtcDay('2026-11-20')
/** Every report of the day is due; each run is so much later that the lease of a dead one is over. */
const FIRST_RUN_AT = DAY === undefined ? 0 : dayClosesAt(DAY) + 5 * 3_600_000
const BETWEEN_RUNS_MS = 10 * 60_000
const RUNS_MAX = 10

export class KilledReports implements AsyncDisposable {
  readonly #dns: DnsServer
  readonly #endpoint: ReportEndpoint
  readonly #ca: string
  readonly #domains: readonly string[]
  readonly #pem = generateKeyPem('rsa')

  /** Reports about so many domains. */
  static async start({ domains: count = 2 }: { readonly domains?: 1 | 2 } = {}): Promise<KilledReports> {
    const domains = DOMAINS.slice(0, count)
    const authority = await createAuthority()
    const endpoint = await ReportEndpoint.start(await certificateFor(HOST, 'good', authority))
    const asked = domains.map((domain) => {
      const rua = `mailto:${domain.slice(0, 1)}@mail.example,https://${HOST}:${endpoint.port}/${domain}`
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

  async #series(deaths: readonly (number | 'before-the-answer')[]): Promise<ReportRunEnd> {
    const dataDir = mkdtempSync(join(tmpdir(), 'hermetic-killed-'))
    this.#endpoint.posted.length = 0
    try {
      await seed(dataDir, this.#domains)
      for (const [turn, death] of deaths.entries()) {
        const end = await this.#run(dataDir, turn, death)
        assert.equal(end, undefined, `a run that dies at ${death} ended well`)
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
    assert.deepEqual(
      mails.map(({ recipient }) => recipient).toSorted(),
      this.#domains.map((domain) => domain.slice(0, 1)),
    )
    for (const domain of this.#domains) {
      const bodies = this.#endpoint.posted.filter(({ target }) => target === `/${domain}`).map(({ body }) => body)
      assert.ok(bodies.length >= 1, `${domain} has its report`)
      assert.ok(
        bodies.every((body) => body.equals(bodies[0] ?? Buffer.of())),
        `${domain} got the same octets ${bodies.length} times`,
      )
    }
  }

  async #run(dataDir: string, turn: number, death: number | 'before-the-answer'): Promise<ReportRunEnd | undefined> {
    const { address, port } = this.#dns
    const task: ReportRunTask = {
      ...{ dataDir, dns: { address, port }, ca: this.#ca, pem: this.#pem },
      now: FIRST_RUN_AT + turn * BETWEEN_RUNS_MS,
      dieAt: death === 'before-the-answer' ? 0 : death,
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

async function seed(dataDir: string, domains: readonly string[]): Promise<void> {
  const store = openSqliteResultStore({ dataDir, now: () => FIRST_RUN_AT })
  assert.ok(store.ok && DAY !== undefined)
  const tallies = domains.map((name) => {
    const policyDomain = domainName(name)
    const policy = { policyType: 'no-policy-found', policyDomain, policyString: [], mxHost: [] } as const
    return { day: DAY, policyDomain, tally: sessionTally({ policy, failures: [] }) }
  })
  await store.value.addBatch('seed', tallies)
  store.value.close()
}
