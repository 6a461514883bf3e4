/**
 * `./tools/node test/bench/socketmap.ts [--rounds N]`
 *
 * How many requests of Postfix a second `hermetic socketmap` answers, beside the daemon of postfix-mta-sts-resolver where
 * that is installed (Debian). Needs root, Linux, util-linux and iproute2; everything runs in a network namespace of its
 * own. Both are processes of their own with a Unix socket, look at the same name server and policy hosts, and have every
 * answer in their caches before they are measured, in rounds that take turns.
 *
 *   one at a time   each connection sends its next request when the reply is there, as Postfix does
 *   pipelined       16 requests under way on each connection
 *   CPU             of the process that answers alone
 *   in memory       the peer with its cache in memory: what it has fetched is gone after a restart
 *   in SQLite       the peer with a cache that outlives it, as ours does
 *
 * The load shares the cores with whom it asks. Prints a table, asserts nothing but that every reply was the right one.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { NetstringReader, netstring } from '../../packages/policy/src/socketmap/netstring.ts'
import { MtaStsDaemon } from '../interop/mta-sts-daemon.ts'
import { ownNetwork } from '../lab/own-network.ts'
import { type BenchDomain, type PoliciesWorld, startPoliciesWorld } from './policies-world.ts'
import { cpuSecondsOf } from './policy-rates.ts'
import { plainTable } from './report.ts'

interface Answering {
  readonly what: 'hermetic' | PeerCache
  readonly path: string
  /** The query name. */
  readonly map: string
  readonly pid: number
  stop(): void
}

type PeerCache = 'in memory' | 'in SQLite'

interface Load {
  readonly what: string
  readonly connections: number
  readonly underWay: number
}

interface Measured {
  readonly perSecond: number
  readonly cpuMsEach: number
}

const INSIDE = '--inside'
const PEER = '/usr/bin/mta-sts-daemon'
const LAUNCHER = new URL('../../hermetic', import.meta.url).pathname
const DOMAINS = 200
const MEASURED_MS = 3_000
const ROUNDS = 3
const REPLY_OCTETS_MAX = 100_000
const LOADS: readonly Load[] = [
  { what: 'one at a time', connections: 1, underWay: 1 },
  { what: 'one at a time', connections: 32, underWay: 1 },
  { what: 'pipelined', connections: 4, underWay: 16 },
]

const args = process.argv.slice(2)
const inside = args.indexOf(INSIDE)
if (inside >= 0) await measure(args[inside + 1] ?? '')
else await runInside()

async function runInside(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the bench makes a network namespace: run it as root')
  const dir = await mkdtemp(`${tmpdir()}/hermetic-socketmap-`)
  const script = new URL(import.meta.url).pathname
  const [file = 'unshare', ...words] = [...(await ownNetwork({ dir })), process.execPath, script, ...args, INSIDE, dir]
  const { status } = spawnSync(file, words, { stdio: ['ignore', 'inherit', 'inherit'] })
  await rm(dir, { recursive: true, force: true })
  process.exit(status ?? 1)
}

async function measure(dir: string): Promise<void> {
  const world = await startPoliciesWorld(dir, { cached: 0, fetched: DOMAINS, withoutPolicy: 0 })
  await writeFile(`${dir}/roots.pem`, world.authority.certificate)
  const answering = [await hermetic(world), ...(await peers(world))]
  console.log(`${cpus().length} cores (${cpus()[0]?.model.trim()}), Node.js ${process.version}, ${DOMAINS} domains`)
  if (answering.length === 1) console.log('postfix-mta-sts-resolver is not installed: measured alone')
  for (const one of answering) await warmUp(one, world.fetched)
  const results = new Map<string, Measured[]>()
  for (let round = 0; round < roundsAsked(); round++)
    for (const load of LOADS)
      for (const one of answering) {
        const key = `${load.what} ${load.connections} ${one.what}`
        results.set(key, [...(results.get(key) ?? []), await rate(one, load, world.fetched)])
      }
  console.log(`\n${plainTable(rows(results, answering))}\n`)
  for (const one of answering) one.stop()
  process.exit(0)
}

function roundsAsked(): number {
  const at = args.indexOf('--rounds')
  return at < 0 ? ROUNDS : Number(args[at + 1])
}

async function hermetic({ dir }: PoliciesWorld): Promise<Answering> {
  const path = `${dir}/hermetic.sock`
  await writeFile(
    `${dir}/hermetic.toml`,
    `hostname = "relay.bench.test"
data_dir = "${dir}/data"
[dns]
servers = ["127.0.0.1:53"]
trust = "none"
[trust]
ca_file = "${dir}/roots.pem"
[egress]
https_networks = ["127.0.0.0/8"]
[socketmap]
listen = "unix:${path}"
[metrics]
listen = "127.0.0.1:0"
`,
  )
  const child = spawn(LAUNCHER, ['socketmap', '--config', `${dir}/hermetic.toml`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  process.once('exit', () => child.kill('SIGKILL'))
  await said(child, 'Postfix can ask on ')
  return { what: 'hermetic', path, map: 'policy', pid: child.pid ?? 0, stop: () => child.kill('SIGTERM') }
}

async function said(child: ChildProcess, words: string): Promise<void> {
  let text = ''
  for await (const chunk of child.stderr?.iterator({ destroyOnReturn: false }) ?? []) {
    text += String(chunk)
    if (text.includes(words)) return
  }
  throw new Error(`hermetic socketmap ended: ${text}`)
}

async function peers({ dir: world, authority }: PoliciesWorld): Promise<readonly Answering[]> {
  if (!existsSync(PEER)) return []
  const caches = { 'in memory': 'type: internal', 'in SQLite': `type: sqlite, options: { filename: ${world}/peer.db }` }
  const start = async (what: PeerCache): Promise<Answering> => {
    const dir = `${world}/${what.replace(' ', '-')}`
    await mkdir(dir)
    // A grace in which it asks DNS for nothing.
    const settings = `cache_grace: 3600\ncache: { ${caches[what]} }\n`
    const daemon = await MtaStsDaemon.start({ dir, authority: authority.certificate, settings })
    return { what, path: `${dir}/mta-sts.sock`, map: 'default', pid: daemon.pid, stop: () => daemon.kill() }
  }
  return [await start('in memory'), await start('in SQLite')]
}

async function warmUp(one: Answering, domains: readonly BenchDomain[]): Promise<void> {
  const queue = domains.map(({ name }) => netstring(`${one.map} ${name}`))
  let next = 0
  await asker(one, { underWay: 4, request: () => queue[next++] })
}

async function rate(one: Answering, load: Load, domains: readonly BenchDomain[]): Promise<Measured> {
  const requests = domains.map(({ name }) => netstring(`${one.map} ${name}`))
  const cpuSeconds = cpuSecondsOf(one)
  const cpuBefore = cpuSeconds()
  const startedAt = performance.now()
  let next = 0
  const request = () => (performance.now() - startedAt < MEASURED_MS ? requests[next++ % requests.length] : undefined)
  const { connections, underWay } = load
  const counts = await Promise.all(Array.from({ length: connections }, () => asker(one, { underWay, request })))
  const seconds = (performance.now() - startedAt) / 1_000
  const answered = counts.reduce((sum, count) => sum + count, 0)
  return { perSecond: answered / seconds, cpuMsEach: ((cpuSeconds() - cpuBefore) * 1_000) / answered }
}

/** One connection, until there are no more requests; answers how many replies came. */
function asker(
  { path }: Answering,
  { underWay, request }: { readonly underWay: number; readonly request: () => Buffer | undefined },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const reader = new NetstringReader({ octetsMax: REPLY_OCTETS_MAX })
    let [asked, answered] = [0, 0]
    const socket = net.connect(path)
    const proceed = (): void => {
      const batch: Buffer[] = []
      while (asked - answered < underWay) {
        const one = request()
        if (one === undefined) break
        batch.push(one)
        asked += 1
      }
      if (batch.length > 0) socket.write(batch.length === 1 && batch[0] !== undefined ? batch[0] : Buffer.concat(batch))
      else if (asked === answered) socket.end(() => resolve(answered))
    }
    socket.on('data', (chunk: Buffer) => {
      reader.feed(chunk)
      for (let reply = reader.next(); reply.ok && reply.value !== undefined; reply = reader.next()) {
        if (!reply.value.toString('latin1').startsWith('OK secure ')) reject(new Error(reply.value.toString()))
        answered += 1
      }
      proceed()
    })
    socket.once('connect', proceed)
    socket.once('error', reject)
  })
}

function rows(
  results: ReadonlyMap<string, readonly Measured[]>,
  answering: readonly Answering[],
): readonly (readonly string[])[] {
  const header = ['load', 'connections', 'who', 'requests/s', 'CPU ms each', 'ours ÷ theirs']
  const body = LOADS.flatMap(({ what, connections }) => {
    const ours = results.get(`${what} ${connections} hermetic`) ?? []
    return answering.map(({ what: who }) => {
      const measured = results.get(`${what} ${connections} ${who}`) ?? []
      const ratios = measured.map(({ perSecond }, round) => (ours[round]?.perSecond ?? Number.NaN) / perSecond)
      const ratio = who === 'hermetic' ? '' : span(ratios, 1)
      const name = who === 'hermetic' ? who : `peer, ${who}`
      return [what, `${connections}`, name, span(measured.map(rateOf), 0), span(measured.map(cpuOf), 4), ratio]
    })
  })
  return [header, ...body]
}

function rateOf({ perSecond }: Measured): number {
  return perSecond
}

function cpuOf({ cpuMsEach }: Measured): number {
  return cpuMsEach
}

/** Lowest to highest of the rounds. */
function span(numbers: readonly number[], digits: number): string {
  const texts = [Math.min(...numbers), Math.max(...numbers)].map((one) => one.toFixed(digits))
  return [...new Set(texts)].join('–')
}
