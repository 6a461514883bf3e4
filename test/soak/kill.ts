/**
 * `kill.ts [--small] [--seed N] [--engine redis]`: kill -9 at random moments (run by `pnpm test:soak`).
 *
 * The relay is started, killed and started again 50 times while 5,000 messages are submitted to it and a mail
 * exchanger refuses a share of them for now and hangs up on others. Every recipient of a message that was answered
 * 250 must get it, or its sender a notification; nothing may be quarantined; duplicates must lie inside the
 * documented window. On Redis (a real redis-server with a log that is synced at every write) what another life had claimed
 * comes back when its lease ends, at the latest. Exit code 1 on a loss, a contradiction, a quarantined message or a duplicate outside it.
 *
 * The seed fixes the plan of messages, faults and kill points; the scheduling of the machine stays its own.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, RelayInstance, type RelayOptions } from '../interop/relay-instance.ts'
import { selfSigned } from '../lab/ca.ts'
import { startDnsServer } from '../lab/dns-server.ts'
import { startRedis } from '../lab/redis-server.ts'
import { type KillSoakResult, killSoakReport, verdictOf } from './kill-report.ts'
import { Ledger, wallClock } from './ledger.ts'
import { planMessages } from './message-plan.ts'
import { SeededRandom } from './random.ts'
import { ReceivingMx } from './receiving-mx.ts'
import { parseSettled } from './settle-log.ts'
import { readSoakOptions, type SoakOptions } from './soak-options.ts'
import { type QueueState, queueState, soakZone } from './soak-world.ts'
import { Submitter } from './submitter.ts'

const FULL = { messages: 5_000, kills: 50 }
const SMALL = { messages: 200, kills: 5 }
const SESSIONS = 8
/** A share of the kills comes before the relay is ready: recovery must survive its own death. */
const KILLED_IN_START_SHARE = 0.15
const START_MS = { min: 30, max: 700 }
const LIFE_MS_MAX = 3_000
const POLL_MS = 1
const LAST_WORDS_MS = 25
const DRAIN_TIMEOUT_MS = 240_000
const DRAIN_POLL_MS = 100

interface Soak {
  readonly options: SoakOptions
  readonly size: { readonly messages: number; readonly kills: number }
  readonly random: SeededRandom
  readonly ledger: Ledger
  readonly mx: ReceivingMx
  readonly submitter: Submitter
  readonly relay: RelayOptions
}

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readSoakOptions()
  const size = options.small ? SMALL : FULL
  console.log(
    `soak kill: ${size.messages} messages, ${size.kills} kills, ${options.engine} engine, seed ${options.seed}`,
  )
  const dir = await mkdtemp(`${tmpdir()}/hermetic-soak-`)
  const ledger = new Ledger()
  const certificate = await selfSigned({ names: ['mx.soak.test'] })
  const mxPort = await freePort()
  const mx = await ReceivingMx.start({ certificate, ledger, random: new SeededRandom(options.seed + 1) }, mxPort)
  const dns = await startDnsServer({ zones: [soakZone()] })
  const readyPort = await freePort()
  const redis = options.engine === 'redis' ? await startRedis() : undefined
  const settings = relaySettings({ listen: readyPort, dns: dns.port, mx: mxPort, dir, redis: redis?.socket })
  const messages = planMessages(size.messages, new SeededRandom(options.seed))
  const submitter = new Submitter({ ports: [readyPort], messages, sessions: SESSIONS, ledger })
  const random = new SeededRandom(options.seed + 2)
  try {
    const relay: RelayOptions = { dir, settings, readyPort, onLine: (line) => noteSettle(ledger, line) }
    const result = await run({ options, size, random, ledger, mx, submitter, relay })
    return await present(options, result)
  } finally {
    submitter.stop()
    mx.stop()
    await dns.close()
    await redis?.[Symbol.asyncDispose]()
    await rm(dir, { recursive: true, force: true })
  }
}

async function run(soak: Soak): Promise<KillSoakResult> {
  const startedAt = performance.now()
  const submitting = soak.submitter.run()
  for (let kill = 1; kill <= soak.size.kills; kill += 1) {
    soak.submitter.allow(Math.floor((soak.size.messages * kill) / soak.size.kills))
    await oneLife(soak)
    if (kill % 5 === 0) {
      const { promised, delivered } = soak.ledger.report()
      console.log(`${kill} kills: ${promised} recipients promised, ${delivered} delivered`)
    }
  }
  soak.submitter.allow(soak.size.messages)
  soak.mx.calmDown()
  soak.ledger.launch(wallClock())
  const relay = await RelayInstance.start(soak.relay)
  try {
    await Promise.race([submitting, sleep(DRAIN_TIMEOUT_MS, undefined, { ref: false })])
    await drained(soak)
    const queue = await queueState(soak.relay.dir)
    return result(soak, { queue, seconds: (performance.now() - startedAt) / 1000 })
  } finally {
    await relay.stop()
  }
}

function noteSettle(ledger: Ledger, line: string): void {
  const settle = parseSettled(line)
  if (settle !== undefined) ledger.settle(settle)
}

/** Starts the relay and kills it at a random moment of its start, or of its work. */
async function oneLife({ random, ledger, mx, submitter, relay: options, size }: Soak): Promise<void> {
  ledger.launch(wallClock())
  const relay = await RelayInstance.launch(options)
  if (random.chance(KILLED_IN_START_SHARE)) {
    await sleep(random.between(START_MS.min, START_MS.max))
  } else {
    await relay.untilReady(options.readyPort)
    const work = (): number => submitter.accepted + mx.counts.transactions
    const perLife = (2 * size.messages) / size.kills
    const target = work() + random.between(0, Math.ceil(1.5 * perLife))
    const until = performance.now() + random.between(POLL_MS, LIFE_MS_MAX)
    while (work() < target && performance.now() < until) await sleep(POLL_MS)
  }
  if (!relay.running) throw new Error(`the relay ended by itself: ${relay.output}`)
  ledger.kill(wallClock())
  await relay.kill()
  // What it had written to its sockets is still read, and counts for this life.
  await sleep(LAST_WORDS_MS)
}

async function drained({ ledger, relay }: Soak): Promise<void> {
  const until = performance.now() + DRAIN_TIMEOUT_MS
  let queued = Number.POSITIVE_INFINITY
  while (performance.now() < until && (ledger.open().length > 0 || queued > 0)) {
    await sleep(DRAIN_POLL_MS)
    if (ledger.open().length === 0) queued = (await queueState(relay.dir)).messages
  }
}

function result(
  { options, size, ledger, mx, submitter }: Soak,
  end: { readonly queue: QueueState; readonly seconds: number },
): KillSoakResult {
  return {
    seed: options.seed,
    engine: options.engine,
    ...size,
    accepted: submitter.accepted,
    cutOff: submitter.cutOff,
    ledger: ledger.report(),
    mx: mx.counts,
    leftInQueue: end.queue.messages,
    quarantined: end.queue.quarantined,
    seconds: end.seconds,
    machine: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node.js ${process.version}`,
  }
}

async function present(options: SoakOptions, result: KillSoakResult): Promise<number> {
  const date = new Date().toISOString().slice(0, 10)
  const report = killSoakReport(result, date)
  console.log(report)
  if (options.write) {
    await writeFile(
      new URL(
        `../../docs/measurements/soak-kill${options.engine === 'redis' ? '-redis' : ''}-${date}.md`,
        import.meta.url,
      ),
      report,
    )
  }
  return verdictOf(result).length === 0 ? 0 : 1
}

interface Surroundings {
  readonly listen: number
  readonly dns: number
  readonly mx: number
  readonly dir: string
  readonly redis: string | undefined
}

function relaySettings({ redis, dir, ...ports }: Surroundings): string {
  const queue = `[queue]\nengine = "redis"\nredis_url = "${redis}"\ncontent_dir = "${dir}/content"\n`
  return `
${redis === undefined ? '' : queue}
[[listener]]
kind = "submission"
address = "127.0.0.1"
port = ${ports.listen}
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1:${ports.dns}"]
trust = "none"
[delivery]
port = ${ports.mx}
retry_quick = ["1s"]
retry_interval = "1s"
retry_interval_max = "2s"
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
[log]
level = "debug"
`
}
