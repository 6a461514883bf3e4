/**
 * What daily reports cost: sessions of many domains are counted as a relay counts them, over the real counter and
 * `tlsrpt.db` with its flush each second; then the day is closed and every report is made, compressed, stored and handed
 * to targets that take it at once. DNS and networks are left out. Rate, pauses of the event loop, peak of memory and
 * bytes on disk are printed; nothing is asserted.
 *
 *   ./tools/node test/bench/tlsrpt.ts [sessions] [domains]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type DomainName, parseDomainName, parsePolicyFile, type SessionResult } from '@hermetic/policy'
import {
  dayClosesAt,
  openSqliteResultStore,
  type RecordLookup,
  runReports,
  SessionCounter,
  type SessionSeen,
  utcDayOf,
} from '@hermetic/reporter'

const SESSIONS = Number(process.argv[2] ?? 10_000_000)
const DOMAINS = Number(process.argv[3] ?? 100_000)
/** Sessions between two turns of the event loop: far more than a relay has. */
const PER_TURN = 20_000

const POLICY = parsePolicyFile(Buffer.from('version: STSv1\nmode: enforce\nmx: *.mail.example\nmax_age: 604800\n'))
if (!POLICY.ok) throw new Error('the policy of the bench is one')
const STS = POLICY.value
const TLSA = { usage: 3, selector: 1, matchingType: 1, associationData: new Uint8Array(32).fill(7) }
const SUCCESS = { kind: 'success' } as const
const EXPIRED = { kind: 'failure', details: [{ resultType: 'certificate-expired' }] } as const

const names = Array.from({ length: DOMAINS }, (_, at) => name(`domain-${at}.example`))
/** Each domain has its own, as in a cache. */
const policies = names.map(() => ({ lines: STS.lines, mx: STS.mx }))
const hosts = Array.from({ length: 500 }, (_, at) => name(`mx${at}.mail.example`))
const dataDir = mkdtempSync(join(tmpdir(), 'hermetic-tlsrpt-bench-'))
const noon = Date.UTC(2026, 10, 21, 12)
let now = noon
const opened = openSqliteResultStore({ dataDir, now: () => now })
if (!opened.ok) throw new Error(JSON.stringify(opened.error))
const store = opened.value
const delay = monitorEventLoopDelay({ resolution: 5 })

try {
  delay.enable()
  const counted = await timed(count)
  tell(`${SESSIONS} sessions over ${DOMAINS} domains counted`, SESSIONS, counted)
  delay.reset()
  const reported = await timed(report)
  tell(`${reported.done} reports made and handed over`, reported.done, reported)
} finally {
  store.close()
  rmSync(dataDir, { recursive: true })
}

async function count(): Promise<number> {
  const record: RecordLookup = { kind: 'record', record: { targets: [], ignored: [] } }
  let stored = 0
  let batches = 0
  const counter = new SessionCounter({
    ...{ store, now: () => now, monotonic: () => performance.now(), lookUp: async () => record },
    newBatchId: () => String(batches++),
    emit: (event) => {
      if (event.event !== 'tlsrpt-results-stored') throw new Error(JSON.stringify(event))
      stored += event.counts.reduce((sum, { sessions }) => sum + sessions, 0)
    },
  })
  counter.start()
  for (let number = 0; number < SESSIONS; number += 1) {
    counter.count(session(number))
    if (number % PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await counter.close()
  return stored
}

async function report(): Promise<number> {
  const day = utcDayOf(noon)
  now = dayClosesAt(day) + 86_400_000 / 2
  const target = { kind: 'mailto', uri: 'mailto:reports@example.org', address: 'reports@example.org' } as const
  const summary = await runReports(
    {
      ...{ store, now: () => now, monotonic: () => performance.now(), random: Math.random, emit: () => undefined },
      resolver: { txt: async (owner) => txt(owner, `v=TLSRPTv1; rua=${target.uri}`) },
      reporter: { organizationName: 'Example Inc.', contactInfo: 'tls-reports@relay.example' },
      submit: {
        mailto: async () => ({ outcome: { kind: 'queued' }, told: {} }),
        https: async () => ({ outcome: { kind: 'accepted' }, told: {} }),
      },
      reportsPerSiteMax: Number.MAX_SAFE_INTEGER,
    },
    { signal: new AbortController().signal },
  )
  return summary.submitted
}

function txt(canonicalName: Parameters<typeof String>[0], text: string) {
  return { kind: 'records', records: [[text]], secure: false, canonicalName, ttlSeconds: 300 } as const
}

/** Every domain in turn; a sixth of them has DANE, half MTA-STS, some both; one session in fifty fails. */
function session(number: number): SessionSeen {
  const at = number % DOMAINS
  const host = hosts[at % hosts.length] ?? name('mx.mail.example')
  const outcome = number % 50 === 0 ? EXPIRED : SUCCESS
  const results: SessionResult[] = []
  if (at % 6 === 0) results.push({ policyType: 'tlsa', policyDomain: host, published: [TLSA], outcome })
  if (at % 2 === 0) results.push({ policyType: 'sts', outcome })
  if (results.length === 0) results.push({ policyType: 'no-policy-found', outcome })
  return {
    ...{ policyDomain: names[at] ?? host, results, sts: policies[at], mxHostname: host },
    connection: { localAddress: '198.51.100.7', remoteAddress: `203.0.113.${at % 250}`, helo: host },
  }
}

interface Timed {
  readonly done: number
  readonly ms: number
  readonly cpuMs: number
}

async function timed(step: () => Promise<number>): Promise<Timed> {
  const from = process.cpuUsage()
  const startedAt = performance.now()
  const done = await step()
  const { user, system } = process.cpuUsage(from)
  return { done, ms: performance.now() - startedAt, cpuMs: (user + system) / 1000 }
}

function tell(what: string, items: number, { ms, cpuMs, done }: Timed): void {
  console.log(
    `${what}: ${(ms / 1000).toFixed(1)} s, ${Math.round((items * 1000) / ms)}/s, CPU ${(cpuMs / 1000).toFixed(1)} s`,
  )
  console.log(`  in the store or sent: ${done}; longest pause of the event loop ${Math.round(delay.max / 1e6)} ms`)
  const bytes = ['tlsrpt.db', 'tlsrpt.db-wal'].map(
    (file) => statSync(join(dataDir, file), { throwIfNoEntry: false })?.size,
  )
  const megabytes = bytes.reduce<number>((sum, size = 0) => sum + size, 0) / 1e6
  console.log(
    `  peak of memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB, on disk ${megabytes.toFixed(0)} MB`,
  )
}

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  if (!parsed.ok) throw new Error(text)
  return parsed.value
}
