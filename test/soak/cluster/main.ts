/**
 * `cluster/main.ts [--small] [--seed N]`: three relays on one real redis-server, disturbed at random (run by
 * `pnpm test:soak`).
 *
 * Messages are submitted to all of them while they are killed, stopped for moments and for longer than their lease,
 * and Redis is restarted and killed; the mail exchanger refuses a share for now and hangs up on others. Every
 * recipient of a message that was answered 250 must get it, or its sender a notification; duplicates must lie inside
 * the documented window; and the mail exchanger never sees more transactions at once than the limit of a site.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../interop/relay-instance.ts'
import { selfSigned } from '../../lab/ca.ts'
import { startDnsServer } from '../../lab/dns-server.ts'
import { type RedisServer, startRedis } from '../../lab/redis-server.ts'
import { wallClock } from '../ledger.ts'
import { planMessages } from '../message-plan.ts'
import { SeededRandom } from '../random.ts'
import { ReceivingMx } from '../receiving-mx.ts'
import { parseJournalled, parseSettled } from '../settle-log.ts'
import { readSoakOptions, type SoakOptions } from '../soak-options.ts'
import { type QueueState, queueState, soakZone } from '../soak-world.ts'
import { Submitter } from '../submitter.ts'
import { ClusterLedger } from './cluster-ledger.ts'
import { ClusterNode } from './cluster-node.ts'
import { type Act, type ClusterSize, FULL, planActs, SMALL } from './cluster-plan.ts'
import { type ClusterSoakResult, clusterSoakReport, verdictOf } from './cluster-report.ts'
import { Disturbances } from './disturbances.ts'
import { OpenTransactions } from './open-transactions.ts'

const NODES = 3
const SESSIONS = 9
const SITE_LIMIT = 6
const REPLY_DELAY_MS = 20
const BETWEEN_ACTS_MS = { min: 500, max: 2_500 }
const PAUSE_MS = { min: 1_000, max: 5_000 }
/** Longer than the lease of claims and permits (60 s). */
const LONG_PAUSE_MS = 66_000
const STORE_GONE_MS = { min: 0, max: 3_000 }
/** A disturbance waits for the mail that is meant to be before it, but not for ever. */
const ACT_WAIT_MS_MAX = 15_000
const ACT_POLL_MS = 20
const CLIENT_PATIENCE_MS = 5_000
/** Notifications of a message are gathered: the next moment may be minutes away (decision 0017). */
const DRAIN_TIMEOUT_MS = 900_000
const DRAIN_POLL_MS = 250

interface Soak {
  readonly options: SoakOptions
  readonly size: ClusterSize
  readonly random: SeededRandom
  readonly disturbances: Disturbances
  readonly ledger: ClusterLedger
  readonly site: OpenTransactions
  readonly mx: ReceivingMx
  readonly submitter: Submitter
  readonly redis: RedisServer
  readonly nodes: readonly ClusterNode[]
}

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readSoakOptions()
  const size = options.small ? SMALL : FULL
  console.log(`soak cluster: ${size.messages} messages, ${NODES} relays on one Redis, seed ${options.seed}`)
  const dir = await mkdtemp(join(tmpdir(), 'hermetic-cluster-'))
  const disturbances = new Disturbances()
  const ledger = new ClusterLedger(disturbances)
  const site = new OpenTransactions(SITE_LIMIT, disturbances)
  const mxPort = await freePort()
  const mx = await ReceivingMx.start(
    {
      certificate: await selfSigned({ names: ['mx.soak.test'] }),
      random: new SeededRandom(options.seed + 1),
      replyDelayMs: REPLY_DELAY_MS,
      transacting: (connection, node, open) => site.note(connection, { node, open, now: wallClock() }),
      ledger,
    },
    mxPort,
  )
  const dns = await startDnsServer({ zones: [soakZone()] })
  const redis = await startRedis()
  const settings = { dir, redis: redis.socket, dns: dns.port, mx: mxPort, ledger, disturbances }
  const nodes = await Promise.all(Array.from({ length: NODES }, (_, index) => clusterNode(index, settings)))
  const ports = nodes.map(({ options: { readyPort } }) => readyPort)
  const messages = planMessages(size.messages, new SeededRandom(options.seed))
  const submitter = new Submitter({ ports, messages, sessions: SESSIONS, ledger, patienceMs: CLIENT_PATIENCE_MS })
  try {
    const random = new SeededRandom(options.seed + 2)
    const soak: Soak = { options, size, random, disturbances, ledger, site, mx, submitter, redis, nodes }
    return await present(options, await run(soak))
  } finally {
    submitter.stop()
    await Promise.all(nodes.map((node) => node.stop()))
    mx.stop()
    await redis[Symbol.asyncDispose]()
    await dns.close()
    await rm(dir, { recursive: true, force: true })
  }
}

async function run(soak: Soak): Promise<ClusterSoakResult> {
  const startedAt = performance.now()
  await Promise.all(soak.nodes.map((node) => node.start()))
  const submitting = soak.submitter.run()
  const acts = planActs(soak.size, NODES, soak.random)
  const pausing: Promise<void>[] = []
  for (const [index, act] of acts.entries()) {
    soak.submitter.allow(Math.floor((soak.size.messages * (index + 1)) / acts.length))
    await sleep(soak.random.between(BETWEEN_ACTS_MS.min, BETWEEN_ACTS_MS.max))
    await mailBefore(soak, index / acts.length)
    if (act.kind === 'long-pause') pausing.push(pause(soak, act.node, LONG_PAUSE_MS))
    else await perform(soak, act)
    if (index % 5 === 4) {
      console.log(
        `${index + 1} of ${acts.length} disturbances: ${soak.ledger.promised} recipients promised, ${soak.ledger.delivered} delivered`,
      )
    }
  }
  soak.submitter.allow(soak.size.messages)
  await Promise.all(pausing)
  soak.mx.calmDown()
  await Promise.race([submitting, sleep(DRAIN_TIMEOUT_MS, undefined, { ref: false })])
  const queue = await drained(soak)
  for (const node of soak.nodes) node.assertRunning()
  return result(soak, { queue, seconds: (performance.now() - startedAt) / 1000 })
}

/** Until this share of the mail was accepted, or long enough. */
async function mailBefore({ submitter, size }: Soak, share: number): Promise<void> {
  const until = performance.now() + ACT_WAIT_MS_MAX
  while (submitter.accepted < share * size.messages && performance.now() < until) await sleep(ACT_POLL_MS)
}

/** Does it to another node when this one is stopped. */
async function perform(soak: Soak, act: Act): Promise<void> {
  const { redis, disturbances, random } = soak
  switch (act.kind) {
    case 'kill': {
      const node = awake(soak, act.node)
      await node.kill()
      await node.start()
      return
    }
    case 'pause':
      return pause(soak, act.node, random.between(PAUSE_MS.min, PAUSE_MS.max))
    case 'long-pause':
      return pause(soak, act.node, LONG_PAUSE_MS)
    case 'restart-store':
    case 'crash-store':
      disturbances.storeGone(wallClock())
      await redis.stop(act.kind === 'restart-store' ? 'SIGTERM' : 'SIGKILL')
      await sleep(random.between(STORE_GONE_MS.min, STORE_GONE_MS.max))
      await redis.start()
      disturbances.storeBack(wallClock())
  }
}

async function pause(soak: Soak, which: number, ms: number): Promise<void> {
  const node = awake(soak, which)
  node.pause()
  await sleep(ms)
  node.resume()
}

function awake({ nodes }: Soak, which: number): ClusterNode {
  const node = [...nodes.slice(which), ...nodes].find(({ isPaused }) => !isPaused)
  if (node === undefined) throw new Error('every node is stopped')
  return node
}

async function drained({ ledger, nodes }: Soak): Promise<QueueState> {
  const until = performance.now() + DRAIN_TIMEOUT_MS
  let state: QueueState = { messages: Number.NaN, quarantined: Number.NaN }
  do {
    await sleep(DRAIN_POLL_MS)
    if (ledger.open().length === 0) state = await queueState(nodes[0]?.options.dir ?? '')
  } while (performance.now() < until && (ledger.open().length > 0 || state.messages > 0))
  return Number.isNaN(state.messages) ? queueState(nodes[0]?.options.dir ?? '') : state
}

function result(
  { options, size, ledger, mx, site, submitter }: Soak,
  end: { readonly queue: QueueState; readonly seconds: number },
): ClusterSoakResult {
  return {
    ...{ seed: options.seed, nodes: NODES, ...size, mx: mx.counts, ledger: ledger.report(), site: site.report() },
    ...{ accepted: submitter.accepted, cutOff: submitter.cutOff },
    leftInQueue: end.queue.messages,
    quarantined: end.queue.quarantined,
    seconds: end.seconds,
    machine: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node.js ${process.version}`,
  }
}

async function present(options: SoakOptions, result: ClusterSoakResult): Promise<number> {
  const date = new Date().toISOString().slice(0, 10)
  const report = clusterSoakReport(result, date)
  console.log(report)
  if (options.write) {
    await writeFile(new URL(`../../../docs/measurements/soak-cluster-${date}.md`, import.meta.url), report)
  }
  return verdictOf(result).length === 0 ? 0 : 1
}

interface NodeSettings {
  readonly dir: string
  readonly redis: string
  readonly dns: number
  readonly mx: number
  readonly ledger: ClusterLedger
  readonly disturbances: Disturbances
}

async function clusterNode(index: number, of: NodeSettings): Promise<ClusterNode> {
  const readyPort = await freePort()
  const name = `node-${index + 1}.soak.test`
  const journalled = new Set<string>()
  const onLine = (line: string): void => {
    const id = parseJournalled(line)
    if (id !== undefined) journalled.add(id)
    const settle = parseSettled(line)
    // In the journal of this node it is safe from a crash, but no commit: the others do not know of it.
    if (settle !== undefined && !journalled.delete(settle.id)) of.ledger.settle(settle, name)
  }
  const options = { dir: join(of.dir, `node-${index + 1}`), settings: relaySettings(readyPort, of), readyPort, onLine }
  return new ClusterNode(name, options, of.disturbances)
}

function relaySettings(listen: number, { dir, redis, dns, mx }: NodeSettings): string {
  return `
[queue]
engine = "redis"
redis_url = "${redis}"
content_dir = "${dir}/content"
[[listener]]
kind = "submission"
address = "127.0.0.1"
port = ${listen}
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1:${dns}"]
trust = "none"
[delivery]
port = ${mx}
concurrency_per_site = ${SITE_LIMIT}
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
