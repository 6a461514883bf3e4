/**
 * `pnpm bench [--scenario a,b,c,d] [--rounds 5] [--small] [--pipelining] [--policies] [--dkim] [--redis]
 *  [--only postfix|hermetic|hermetic-redis] [--write]`
 *
 * Compares the relay with a tuned Postfix on this machine. Needs root, Linux, iproute2, Postfix and
 * sasl2-bin (Debian: `apt-get install postfix sasl2-bin`).
 *
 * How: two network namespaces joined by a veth pair with MTU 1500. In one runs the system under test, in the
 * other the load generator (load.ts), a STARTTLS sink (sink.ts) and a DNS server (dns.ts), each a process of its
 * own. Both systems get the same certificate, the same number of deliveries at once, the same DNS and disk, and
 * their default durability. Trials alternate, Postfix first in odd rounds, so that drift of the machine hits both.
 * A trial of a fifth of the messages warms each system up. With `--policies` each system also sends to a domain that
 * enforces MTA-STS, in the same rounds (`-sts`): the relay by its own means, Postfix by a table that already knows the
 * policy. With `--dkim` the relay signs all it takes (RSA, 2,048 bits), Postfix nothing. `--redis` adds the relay on Redis (a log that is synced at every write), in the same rounds. Numbers are medians over the rounds:
 *
 *   msg/s          messages ÷ (first submit → last arrival in the sink)
 *   accepted/s     messages ÷ (first submit → last 250 of the system)
 *   submit p50/p99 MAIL → reply to the final dot; connect → that reply when each message has its own connection
 *   CPU s / 1,000  CPU of the system's control group alone, until 0.7 s after the last arrival
 *
 * Load generator and sink share the cores with the system under test: on few cores msg/s understates the faster
 * system, CPU does not. Prints, writes docs/measurements/bench-<date>.md (a whole run, or with --write), asserts nothing.
 */

import { existsSync, rmSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { cpus, release, tmpdir, totalmem, type } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { createAuthority } from '../lab/ca.ts'
import { policyText } from '../lab/sts-world.ts'
import { BenchChild } from './child.ts'
import { createCpuAccount } from './cpu-account.ts'
import { startHermetic, startHermeticOnRedis } from './hermetic-system.ts'
import { type BenchNetwork, createNetwork, PEER_ADDRESS } from './network.ts'
import type { PoliciesServed, PolicyHostFile } from './policy-hosts.ts'
import { startPostfix } from './postfix-system.ts'
import { redisMemoryNote } from './redis-memory.ts'
import { type BenchResult, markdownReport, plainTable, ratioRows, resultRows, type ScenarioResult } from './report.ts'
import { type Scenario, scenariosNamed } from './scenarios.ts'
import { DOMAIN, POLICY_DOMAIN, type SystemUnderTest, towardsPolicyDomain } from './system.ts'
import { runTrial, type TrialResult } from './trial.ts'

const CHILD_START_MS = 10_000
const WARM_UP_SHARE = 0.2
const NO_SYSLOG =
  'nobody listens to syslog, which spares Postfix the writing of its lines; those of Hermetic go to /dev/null'
const TMPFS_MAGIC = 0x01021994

interface Bench {
  readonly dir: string
  readonly network: BenchNetwork
  readonly load: BenchChild
  readonly sink: BenchChild
  readonly policyHosts: BenchChild
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
  readonly options: Options
}

interface Options {
  readonly scenarios: readonly Scenario[]
  readonly rounds: number
  readonly small: boolean
  readonly pipelining: boolean
  readonly policies: boolean
  readonly dkim: boolean
  readonly redis: boolean
  readonly only: string | undefined
  readonly write: boolean
}

/** What has to go when the bench ends, however it ends; in the order of making. */
const cleanups: (() => void)[] = []
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
process.once('exit', () => {
  for (const cleanup of cleanups.reverse()) cleanup()
})

await main()

async function main(): Promise<void> {
  const options = readOptions()
  if (process.getuid?.() !== 0) throw new Error('the bench makes network namespaces: run it as root')
  const dir = await mkdtemp(`${tmpdir()}/hermetic-bench-`)
  // Postfix' daemons run as another user and must reach their queue.
  await chmod(dir, 0o755)
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }))
  const network = createNetwork()
  cleanups.push(() => network.remove())
  const bench = await startPeers({ dir, network, options })
  const results: ScenarioResult[] = []
  const versions = new Set<string>()
  for (const scenario of options.scenarios) results.push(await runScenario(bench, { scenario, versions }))
  if (options.policies && options.only !== 'postfix') await assertFetched(bench)
  const { notes, ...rest } = await circumstances(dir, options)
  const memory = options.redis ? [await redisMemoryNote(dir)] : []
  await present(options, { ...rest, notes: [...notes, ...memory], versions: [...versions], scenarios: results })
  process.exit(0)
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string' },
      rounds: { type: 'string' },
      small: { type: 'boolean', default: false },
      pipelining: { type: 'boolean', default: false },
      policies: { type: 'boolean', default: false },
      dkim: { type: 'boolean', default: false },
      redis: { type: 'boolean', default: false },
      only: { type: 'string' },
      write: { type: 'boolean' },
    },
  })
  return {
    scenarios: (values.scenario ?? 'a,b,c,d').split(',').flatMap(scenariosNamed),
    rounds: Number(values.rounds ?? (values.small ? 1 : 5)),
    small: values.small,
    pipelining: values.pipelining,
    policies: values.policies,
    dkim: values.dkim,
    redis: values.redis,
    only: values.only,
    // A part of the bench must not stand in the place of the whole.
    write: values.write ?? (!values.small && values.only === undefined && values.scenario === undefined),
  }
}

async function startPeers(world: Pick<Bench, 'dir' | 'network' | 'options'>): Promise<Bench> {
  const { dir, network } = world
  const certFile = `${dir}/cert.pem`
  const keyFile = `${dir}/key.pem`
  const caFile = `${dir}/roots.pem`
  await writeWorld({ dir, certFile, keyFile, caFile })
  await writeFile(`${dir}/resolv.conf`, `nameserver ${PEER_ADDRESS}\n`)
  const start = (script: string, args: readonly string[]): BenchChild => {
    const child = BenchChild.start(script, { wrap: network.inPeer, args })
    cleanups.push(() => child.kill())
    return child
  }
  const dns = start('./dns.ts', [PEER_ADDRESS, '53', `${dir}/records.json`])
  const policyHosts = start('./policy-hosts.ts', [PEER_ADDRESS, '443', `${dir}/policy-hosts.json`])
  const sink = start('./sink.ts', [PEER_ADDRESS, '25', certFile, keyFile])
  const load = start('./load.ts', [])
  await Promise.all([dns, sink, policyHosts].map((child) => child.next('ready', CHILD_START_MS)))
  return { ...world, load, sink, policyHosts, certFile, keyFile, caFile }
}

/** What the processes of the peer's side read when they start. */
async function writeWorld(of: Pick<Bench, 'dir' | 'certFile' | 'keyFile' | 'caFile'>): Promise<void> {
  const authority = await createAuthority()
  await writeFile(of.caFile, authority.certificate)
  const hosts = [DOMAIN, POLICY_DOMAIN].map((domain) => `mx.${domain}`)
  const { key, chain } = await authority.issue({ names: hosts })
  await writeFile(of.certFile, chain)
  await writeFile(of.keyFile, key, { mode: 0o600 })
  const policyHost = `mta-sts.${POLICY_DOMAIN}`
  const pair = await authority.issue({ names: [policyHost] })
  const policy = policyText({ mode: 'enforce', mx: [`mx.${POLICY_DOMAIN}`] })
  const files: readonly PolicyHostFile[] = [{ name: policyHost, key: pair.key, chain: pair.chain, policy }]
  await writeFile(`${of.dir}/policy-hosts.json`, JSON.stringify(files), { mode: 0o600 })
  const mailHosts = [DOMAIN, POLICY_DOMAIN].flatMap((domain) => [
    [domain, { MX: [[10, `mx.${domain}`]] }],
    [`mx.${domain}`, { A: [PEER_ADDRESS] }],
  ])
  const published = [
    [policyHost, { A: [PEER_ADDRESS] }],
    [`_mta-sts.${POLICY_DOMAIN}`, { TXT: ['v=STSv1; id=1;'] }],
  ]
  await writeFile(`${of.dir}/records.json`, JSON.stringify(Object.fromEntries([...mailHosts, ...published])))
}

async function runScenario(
  bench: Bench,
  { scenario, versions }: { readonly scenario: Scenario; readonly versions: Set<string> },
): Promise<ScenarioResult> {
  const systems = await startSystems(bench, scenario)
  try {
    for (const { version } of systems) versions.add(version)
    const messages = bench.options.small ? scenario.messagesSmall : scenario.messages
    for (const system of systems) {
      await trial(bench, { system, scenario, messages: Math.ceil(messages * WARM_UP_SHARE), name: 'warm' })
    }
    const rounds: TrialResult[][] = []
    for (let round = 0; round < bench.options.rounds; round += 1) {
      const order = round % 2 === 0 ? systems : systems.toReversed()
      const results: TrialResult[] = []
      for (const system of order) {
        const result = await trial(bench, { system, scenario, messages, name: `${round}` })
        console.log(progressLine(scenario, { round, result }))
        results.push(result)
      }
      rounds.push(results)
    }
    return { scenario, rounds, settings: systems.map(({ name, settings }) => ({ system: name, lines: settings })) }
  } finally {
    for (const system of systems) {
      await system.stop()
      system.cpu.remove()
    }
    await Promise.all(
      ['postfix', 'hermetic', 'hermetic-redis'].map((name) =>
        rm(`${bench.dir}/${name}`, { recursive: true, force: true }),
      ),
    )
  }
}

async function startSystems(bench: Bench, scenario: Scenario): Promise<readonly SystemUnderTest[]> {
  const systems: SystemUnderTest[] = []
  for (const [name, start] of [
    ['postfix', startPostfix],
    ['hermetic', startHermetic],
    ['hermetic-redis', startHermeticOnRedis],
  ] as const) {
    if (name === 'hermetic-redis' && !bench.options.redis) continue
    if (bench.options.only !== undefined && bench.options.only !== name) continue
    const cpu = createCpuAccount(name)
    cleanups.push(() => cpu.remove())
    const system = await start({ ...bench, dkim: bench.options.dkim, cpu, scenario })
    systems.push(system)
    if (bench.options.policies) systems.push(towardsPolicyDomain(system))
  }
  return systems
}

/** The relay must not have gone without the policy that it is said to obey. */
async function assertFetched({ policyHosts, options }: Bench): Promise<void> {
  policyHosts.tell({})
  const { served } = await policyHosts.next<PoliciesServed>('served', CHILD_START_MS)
  if (served < options.scenarios.length) throw new Error(`the policy was fetched ${served} times: not in each scenario`)
}

function trial(
  { load, sink, options }: Bench,
  one: {
    readonly system: SystemUnderTest
    readonly scenario: Scenario
    readonly messages: number
    readonly name: string
  },
): Promise<TrialResult> {
  const { system, scenario, messages, name } = one
  const serial = `${scenario.name}.${system.name}.${name}`
  return runTrial({ system, scenario, messages, pipelining: options.pipelining, trial: serial, load, sink })
}

function progressLine(
  scenario: Scenario,
  { round, result }: { readonly round: number; readonly result: TrialResult },
): string {
  const problem = result.firstProblem === undefined ? '' : ` first problem: ${result.firstProblem}`
  return (
    `${scenario.name} round ${round + 1} ${result.system.padEnd(12)} ${result.messagesPerSecond.toFixed(0)} msg/s, ` +
    `CPU ${result.cpuSecondsPer1000.toFixed(3)} s/1,000, lost ${result.lost}, duplicates ${result.duplicates}${problem}`
  )
}

async function circumstances(dir: string, options: Options): Promise<Pick<BenchResult, 'date' | 'machine' | 'notes'>> {
  const [cpu] = cpus()
  const disk =
    (await statfs(dir)).type === TMPFS_MAGIC ? 'tmpfs: fsync costs nothing, the numbers mean little' : 'a disk'
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: [
      `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`,
    ],
    notes: [
      `queues on ${disk}`,
      existsSync('/dev/log') ? "Postfix logs to this machine's syslog, Hermetic to /dev/null" : NO_SYSLOG,
      ...(options.dkim ? ['the relay signs every message (DKIM, RSA with 2,048 bits), Postfix none'] : []),
      `client PIPELINING ${options.pipelining ? 'on' : 'off'} for both${options.small ? '; small sizes: a check of the bench, not a measurement' : ''}`,
    ],
  }
}

async function present(options: Options, result: BenchResult): Promise<void> {
  console.log(`\n${result.notes.join('\n')}`)
  console.log(`\n${plainTable(resultRows(result.scenarios))}\n\n${plainTable(ratioRows(result.scenarios))}`)
  if (!options.write) return
  const path = new URL(`../../docs/measurements/bench-${result.date}.md`, import.meta.url).pathname
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, markdownReport(result))
  console.log(`written: docs/measurements/bench-${result.date}.md`)
}
