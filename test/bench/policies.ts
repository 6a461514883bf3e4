/**
 * `./tools/node test/bench/policies.ts [--small]`
 *
 * How fast policies are decided and fetched. Needs root, Linux, util-linux and iproute2; postfix-mta-sts-resolver
 * (Debian) is measured as well where it is installed. Everything runs in a network namespace of its own, on loopback;
 * DNS and policy hosts are processes of their own that share the cores. Each first contact is a whole one: TXT, A and
 * AAAA over UDP, TCP, a full TLS 1.3 handshake with a certificate of an own authority, one GET, one row in policy.db.
 *
 *   decision   policyFor + tlsRequirement for one host of a domain whose policy is in policy.db
 *   p50, p99   of one, from the question to the answer
 *   CPU        of the process that answers alone; the figure that a busy machine blurs least
 *
 * Prints tables, asserts nothing but that what is measured happened.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { MtaStsDaemon } from '../interop/mta-sts-daemon.ts'
import { ownNetwork } from '../lab/own-network.ts'
import { firstMessages } from './first-message.ts'
import { type DomainCounts, openSource, type PoliciesWorld, startPoliciesWorld } from './policies-world.ts'
import { cpuSecondsOf, decision, fillCache, ownCpuSeconds, type Rate, rateOf, reply } from './policy-rates.ts'
import { plainTable } from './report.ts'

const INSIDE = '--inside'
const PEER = '/usr/bin/mta-sts-daemon'
/** Fetches at once: what our own limit allows in all (`egress/target-limits.ts`). */
const FETCHES_AT_ONCE = 32
const FULL: DomainCounts = { cached: 50_000, fetched: 1_000, withoutPolicy: 105 }
const SMALL: DomainCounts = { cached: 2_000, fetched: 100, withoutPolicy: 20 }
const HOT_DOMAINS = 1_000

const args = process.argv.slice(2)
const inside = args.indexOf(INSIDE)
if (inside >= 0) await measure(args[inside + 1] ?? '', args.includes('--small') ? SMALL : FULL)
else await runInside()

async function runInside(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the bench makes a network namespace: run it as root')
  const dir = await mkdtemp(`${tmpdir()}/hermetic-policies-`)
  const script = new URL(import.meta.url).pathname
  const [file = 'unshare', ...words] = [...(await ownNetwork({ dir })), process.execPath, script, ...args, INSIDE, dir]
  const { status } = spawnSync(file, words, { stdio: ['ignore', 'inherit', 'inherit'] })
  await rm(dir, { recursive: true, force: true })
  process.exit(status ?? 1)
}

async function measure(dir: string, counts: DomainCounts): Promise<void> {
  const world = await startPoliciesWorld(dir, counts)
  await writeFile(`${dir}/roots.pem`, world.authority.certificate)
  console.log(`${cpus().length} cores (${cpus()[0]?.model.trim()}), Node.js ${process.version}`)
  const rates = [...(await ourRates(world)), ...(existsSync(PEER) ? await peerRates(world) : [])]
  if (!existsSync(PEER)) console.log('postfix-mta-sts-resolver is not installed: not measured')
  console.log(`\n${plainTable(rateRows(rates))}\n`)
  const messages = await firstMessages(world)
  const rows = messages.map(({ what, times, p50Ms, p90Ms }) => [what, `${times}`, p50Ms.toFixed(1), p90Ms.toFixed(1)])
  console.log(plainTable([['250 of the relay to the end at the MX', 'times', 'p50 ms', 'p90 ms'], ...rows]))
  process.exit(0)
}

async function ourRates(world: PoliciesWorld): Promise<readonly Rate[]> {
  const cpuSeconds = ownCpuSeconds
  const dataDir = `${world.dir}/decisions`
  await mkdir(dataDir)
  const filled = openSource(world, dataDir)
  await fillCache(filled, world.cached)
  filled.close()

  const started = openSource(world, dataDir)
  const hot = world.cached.slice(0, HOT_DOMAINS)
  const decide = decision(started, 'cache')
  const rates = [
    await rateOf(
      world.cached,
      { what: 'decision, each domain once after a start: DNS asked', atOnce: 32, cpuSeconds },
      decide,
    ),
  ]
  await rateOf(hot, { what: 'warm up', atOnce: 1, cpuSeconds }, decide)
  const many = Array.from({ length: 100 }, () => hot).flat()
  rates.push(
    await rateOf(
      many,
      { what: `decision, ${hot.length} domains again: DNS remembered`, atOnce: 1, cpuSeconds },
      decide,
    ),
  )
  started.close()

  await mkdir(`${world.dir}/fetches`)
  const cold = openSource(world, `${world.dir}/fetches`)
  const fetch = decision(cold, 'fresh')
  const [one, all] = halves(world)
  rates.push(await rateOf(one, { what: 'first contact, one after the other', atOnce: 1, cpuSeconds }, fetch))
  rates.push(await rateOf(all, { what: 'first contact', atOnce: FETCHES_AT_ONCE, cpuSeconds }, fetch))
  cold.close()
  return rates
}

async function peerRates(world: PoliciesWorld): Promise<readonly Rate[]> {
  // Its cache in a file, as ours; within the grace of a minute it asks DNS for nothing.
  const settings = `cache: { type: sqlite, options: { filename: ${world.dir}/mta-sts-daemon.db } }\n`
  const daemon = await MtaStsDaemon.start({ dir: world.dir, authority: world.authority.certificate, settings })
  const cpuSeconds = cpuSecondsOf(daemon)
  const clients = await Promise.all(Array.from({ length: FETCHES_AT_ONCE }, () => daemon.client()))
  const ask = reply(clients)
  const [one, all] = halves(world)
  const rates = [
    await rateOf(one, { what: 'peer: first contact, one after the other', atOnce: 1, cpuSeconds }, ask),
    await rateOf(all, { what: 'peer: first contact', atOnce: FETCHES_AT_ONCE, cpuSeconds }, ask),
  ]
  const many = Array.from({ length: 10 }, () => all).flat()
  rates.push(await rateOf(many, { what: 'peer: reply, cached', atOnce: 1, cpuSeconds }, ask))
  rates.push(await rateOf(many, { what: 'peer: reply, cached', atOnce: FETCHES_AT_ONCE, cpuSeconds }, ask))
  daemon.kill()
  return rates
}

/** A fifth for one after the other, the rest for many at once. */
function halves({ fetched }: PoliciesWorld) {
  const at = Math.floor(fetched.length / 5)
  return [fetched.slice(0, at), fetched.slice(at)] as const
}

function rateRows(rates: readonly Rate[]): readonly (readonly string[])[] {
  const header = ['what', 'times', 'at once', 'per second', 'p50 ms', 'p99 ms', 'CPU ms each']
  return [
    header,
    ...rates.map(({ what, times, atOnce, perSecond, p50Ms, p99Ms, cpuMsEach }) => [
      ...[what, `${times}`, `${atOnce}`, perSecond.toFixed(0), p50Ms.toFixed(3), p99Ms.toFixed(3)],
      cpuMsEach.toFixed(3),
    ]),
  ]
}
