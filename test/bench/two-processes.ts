/**
 * `test/bench/two-processes.ts [--messages N]`: what a second delivery process is worth on one Redis. A peer that
 * answers every reply after 50 ms, 25 connections for each process: first one process empties the queue, then two,
 * three rounds. Prints too how many transactions each process had open on average, as the peer saw it: near 25, its
 * connections are the limit, else something else is; and the CPU time of everything that took part. Needs redis-server.
 * Asserts nothing.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parseDomainName } from '@hermetic/policy'
import { laneForNotice } from '../../packages/mta/src/delivery/routing.ts'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { message } from '../../packages/mta/src/spool/spool.fixture.ts'
import { freePort, RelayInstance } from '../interop/relay-instance.ts'
import { selfSigned } from '../lab/ca.ts'
import { startDnsServer, zone } from '../lab/dns-server.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { DOMAINS } from '../soak/message-plan.ts'
import { SeededRandom } from '../soak/random.ts'
import { ReceivingMx } from '../soak/receiving-mx.ts'
import { type Measured, MiddleOfRun } from './middle-of-run.ts'
import { median } from './statistics.ts'

const CONNECTIONS = 25
const REPLY_DELAY_MS = 50
const ROUNDS = 3
const FILL_BATCH = 200
const DAY_MS = 86_400_000
const EMPTY_MS_MAX = 120_000

interface Ground {
  readonly dir: string
  readonly redis: RedisServer
  readonly dns: number
  readonly mx: number
  readonly certificate: Awaited<ReturnType<typeof selfSigned>>
  readonly messages: number
}

const { values } = parseArgs({ options: { messages: { type: 'string', default: '2000' } } })
const dir = await mkdtemp(join(tmpdir(), 'hermetic-two-'))
const dns = await startDnsServer({ zones: [benchZone()] })
const redis = await startRedis()
try {
  const certificate = await selfSigned({ names: ['mx.soak.test'] })
  const ground = { dir, redis, dns: dns.port, mx: await freePort(), certificate, messages: Number(values.messages) }
  const ratios: number[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    const [one, two] = [await rateWith(ground, `${round}-1`, 1), await rateWith(ground, `${round}-2`, 2)]
    ratios.push(two.rate / one.rate)
    const ratio = (two.rate / one.rate).toFixed(2)
    console.log(`round ${round}: one process ${told(one)}\n         two ${told(two)}: ${ratio} times`)
  }
  console.log(`median: two processes move ${median(ratios).toFixed(2)} times what one does`)
} finally {
  await redis[Symbol.asyncDispose]()
  await dns.close()
  await rm(dir, { recursive: true, force: true })
}

function told({ rate, open, cores }: Measured): string {
  const shares = `peer ${cores.peer.toFixed(2)}, Redis ${cores.redis.toFixed(2)} cores`
  return `${rate.toFixed(0)} msg/s, open ${open.map((one) => one.toFixed(1)).join(' and ')} of ${CONNECTIONS}, ${shares}`
}

/** Fills the queue, then lets the processes empty it. */
async function rateWith(ground: Ground, name: string, count: number): Promise<Measured> {
  const middle = new MiddleOfRun(ground)
  const ledger = { arrive: () => middle.arrived(), bounce: () => undefined }
  await fill(ground)
  const random = new SeededRandom(1)
  const mx = await ReceivingMx.start(
    {
      ...{ certificate: ground.certificate, ledger, random, replyDelayMs: REPLY_DELAY_MS },
      transacting: (_, clientName, isOpen) => middle.transacting(clientName, isOpen),
    },
    ground.mx,
  )
  mx.calmDown()
  const relays = await Promise.all(
    Array.from({ length: count }, (_, index) => relay(ground, `${name}-${index}`, count)),
  )
  const until = performance.now() + EMPTY_MS_MAX
  while (mx.counts.transactions < ground.messages && performance.now() < until) await sleep(20)
  if (mx.counts.transactions < ground.messages) throw new Error(`only ${mx.counts.transactions} arrived`)
  await Promise.all(relays.map((one) => one.stop()))
  mx.stop()
  return middle.measured()
}

/** Into the spool itself: a relay would begin to deliver. */
async function fill(ground: Ground): Promise<void> {
  const spool = await openRedisSpool({
    address: { url: ground.redis.socket },
    queue: 'mail',
    durability: 'strict',
    dataDir: join(ground.dir, 'filler'),
    contentDir: join(ground.dir, 'content'),
    maxBytes: 1024 ** 3,
    emit: () => undefined,
  })
  if (!spool.ok) throw new Error(JSON.stringify(spool.error))
  const bytes = Buffer.from(
    `From: <a@origin.test>\r\nSubject: bench\r\n\r\n${'All of it is delivered once.\r\n'.repeat(160)}`,
  )
  const domains = DOMAINS.map((name) => parseDomainName(name)).flatMap((name) => (name.ok ? [name.value] : []))
  for (let sent = 0; sent < ground.messages; sent += FILL_BATCH) {
    const batch = Array.from({ length: Math.min(FILL_BATCH, ground.messages - sent) }, async (_, index) => {
      const name = domains[(sent + index) % domains.length]
      if (name === undefined) throw new Error('no domain')
      const to = { localPart: `known.${sent + index}`, domain: { kind: 'name', name } } as const
      const made = message([1], {
        recipients: [{ index: 0, address: to }],
        receivedAt: Date.now(),
        expiresAt: Date.now() + DAY_MS,
      })
      const lane = laneForNotice(to, { port: ground.mx })
      const outcome = await spool.value.accept({
        ...made,
        deliveries: [{ lane, recipients: [0] }],
        content: { kind: 'memory', bytes },
      })
      if (outcome.kind !== 'accepted') throw new Error(outcome.kind)
    })
    await Promise.all(batch)
  }
  await spool.value.close()
}

async function relay(
  { dir: parent, redis: store, dns: names, mx: port }: Ground,
  name: string,
  relays: number,
): Promise<RelayInstance> {
  const readyPort = await freePort()
  const settings = `
[queue]
engine = "redis"
redis_url = "${store.socket}"
content_dir = "${parent}/content"
[[listener]]
kind = "submission"
port = ${readyPort}
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1:${names}"]
trust = "none"
[delivery]
port = ${port}
concurrency = ${CONNECTIONS}
concurrency_per_site = ${CONNECTIONS * relays}
retry_quick = ["1s"]
retry_interval = "1s"
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
`
  return RelayInstance.start({ dir: join(parent, name), hostname: `relay-${name}.test`, settings, readyPort })
}

function benchZone() {
  const records = DOMAINS.map((name) => [name, { MX: [[10, 'mx.soak.test']] as const }] as const)
  return zone({ ...Object.fromEntries(records), 'mx.soak.test': { A: ['127.0.0.1'] } })
}
