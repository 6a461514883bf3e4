/**
 * Relays as processes on a Redis that fails over: messages go in and out all the time while the master is killed, comes
 * back as a replica, and the next one is killed. Shared by the soak and, small, by `test/interop`.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, RelayInstance, type RelayOptions } from '../../interop/relay-instance.ts'
import { selfSigned } from '../../lab/ca.ts'
import { startDnsServer } from '../../lab/dns-server.ts'
import { type RedisFailover, saidLine, until } from '../../lab/redis-failover.ts'
import type { RedisMember } from '../../lab/redis-members.ts'
import { wallClock } from '../ledger.ts'
import { DOMAINS, type PlannedMessage } from '../message-plan.ts'
import { SeededRandom } from '../random.ts'
import { ReceivingMx } from '../receiving-mx.ts'
import { type QueueState, queueState, soakZone } from '../soak-world.ts'
import { Submitter } from '../submitter.ts'
import { type FailoverAccounts, FailoverLedger } from './failover-ledger.ts'

export interface FailoverPlan {
  readonly relays: number
  readonly messages: number
  readonly failovers: number
  /** A share of them is too large to be kept in Redis. */
  readonly largeShare: number
  readonly seed: number
  /** The link to the replica breaks so long before the master dies; 0: it does not. */
  readonly cutLinkMs: number
}

export interface FailoverResult {
  readonly accounts: FailoverAccounts
  readonly queue: QueueState
  readonly accepted: number
  /** Submissions that were refused or cut off, and tried again. */
  readonly triedAgain: number
  readonly withoutIntakeMs: readonly number[]
  readonly withoutDeliveryMs: readonly number[]
  /** From the end of the last submission to the last arrival. */
  readonly drainMs: number
  /** Events in the logs of the relays that tell of the store, by name. */
  readonly told: ReadonlyMap<string, number>
}

const SESSIONS_PER_RELAY = 3
const REPLY_DELAY_MS = 5
const CLIENT_PATIENCE_MS = 2_000
const DRAIN_MS_MAX = 150_000
const POLL_MS = 50
/** Nothing has come for so long, and Redis says that nothing is left. */
const QUIET_MS = 1_500
const SMALL_BYTES = { min: 800, max: 6_000 }
const LARGE_BYTES = 40_000

export async function runFailovers(redis: RedisFailover, plan: FailoverPlan): Promise<FailoverResult> {
  const ledger = new FailoverLedger(wallClock)
  const random = new SeededRandom(plan.seed)
  const mxPort = await freePort()
  const mx = await ReceivingMx.start(
    {
      certificate: await selfSigned({ names: ['mx.soak.test'] }),
      random,
      replyDelayMs: REPLY_DELAY_MS,
      ledger: { arrive: (addresses, at) => ledger.arrive(addresses, at), bounce: () => undefined },
    },
    mxPort,
  )
  mx.calmDown()
  const dns = await startDnsServer({ zones: [soakZone()] })
  const told = new Map<string, number>()
  const options = await Promise.all(
    Array.from({ length: plan.relays }, async (_, at): Promise<RelayOptions> => {
      const readyPort = await freePort()
      return {
        dir: join(redis.directory, `relay-${at}`),
        readyPort,
        settings: settingsOf(redis, { listen: readyPort, dns: dns.port, mx: mxPort }),
        onLine: (line) => count(told, line),
      }
    }),
  )
  const relays = await Promise.all(options.map((one) => RelayInstance.start(one)))
  const submitter = new Submitter({
    ports: options.map(({ readyPort }) => readyPort),
    messages: planned(plan, random),
    sessions: SESSIONS_PER_RELAY * plan.relays,
    ledger,
    patienceMs: CLIENT_PATIENCE_MS,
  })
  try {
    const submitting = submitter.run()
    await failOver(redis, { plan, ledger, submitter })
    await submitting
    const submittedAt = wallClock()
    const queue = await drained(ledger, options[0]?.dir ?? '')
    return {
      ...{ queue, told, accounts: ledger.accounts(), drainMs: wallClock() - submittedAt },
      ...{ accepted: submitter.accepted, triedAgain: submitter.cutOff },
      withoutIntakeMs: ledger.withoutIntakeMs,
      withoutDeliveryMs: ledger.withoutDeliveryMs,
    }
  } finally {
    submitter.stop()
    await Promise.all(relays.map((relay) => relay.kill()))
    mx.stop()
    await dns.close()
  }
}

interface UnderLoad {
  readonly plan: FailoverPlan
  readonly ledger: FailoverLedger
  readonly submitter: Submitter
}

/** Kills the master in the middle of each part of the load; it comes back as a replica before the next one. */
async function failOver(redis: RedisFailover, { plan, ledger, submitter }: UnderLoad): Promise<void> {
  for (let part = 0; part < plan.failovers; part += 1) {
    const share = Math.floor(plan.messages / plan.failovers)
    submitter.allow(Math.min(plan.messages, (part + 1) * share))
    const half = part * share + Math.floor(share / 2)
    await until('half of this part is accepted', async () => submitter.accepted >= half, DRAIN_MS_MAX)
    const victim = await redis.master()
    if (plan.cutLinkMs > 0) {
      await redis.cutLink?.()
      await sleep(plan.cutLinkMs)
    }
    ledger.masterDied()
    await victim.stop()
    await until('another one is master', async () => (await redis.master()).name !== victim.name)
    await redis.mendLink?.()
    await comeBack(redis, victim)
  }
  submitter.allow(plan.messages)
}

async function comeBack(redis: RedisFailover, victim: RedisMember): Promise<void> {
  await victim.start()
  // A Sentinel may have had it write the broken link into its configuration.
  await redis.mendLink?.()
  await until(
    'it follows the new master',
    async () => (await saidLine(victim, 'role')) === 'slave' && (await saidLine(victim, 'master_link_status')) === 'up',
  )
  await until(
    'the new master has a replica',
    async () => Number(await saidLine(await redis.master(), 'connected_slaves')) > 0,
  )
}

async function drained(ledger: FailoverLedger, dir: string): Promise<QueueState> {
  const giveUpAt = wallClock() + DRAIN_MS_MAX
  let delivered = ledger.delivered
  let changedAt = wallClock()
  for (;;) {
    await sleep(POLL_MS)
    if (ledger.delivered !== delivered) {
      delivered = ledger.delivered
      changedAt = wallClock()
    }
    const isQuiet = ledger.open === 0 || wallClock() - changedAt > QUIET_MS
    if (!isQuiet) continue
    const state = await queueState(dir)
    if (state.messages - state.quarantined === 0 || wallClock() > giveUpAt) return state
    changedAt = wallClock()
  }
}

function planned({ messages, largeShare }: FailoverPlan, random: SeededRandom): readonly PlannedMessage[] {
  return Array.from({ length: messages }, (_, index) => ({
    number: index + 1,
    contentBytes: random.chance(largeShare) ? LARGE_BYTES : random.between(SMALL_BYTES.min, SMALL_BYTES.max),
    recipients: [{ name: 'known', domain: DOMAINS[random.between(0, DOMAINS.length - 1)] ?? DOMAINS[0] }],
  }))
}

function count(told: Map<string, number>, line: string): void {
  const event = /"event":"((?:spool|lane|permits|node)-[a-z-]+)"/.exec(line)?.[1]
  if (event !== undefined) told.set(event, (told.get(event) ?? 0) + 1)
}

function settingsOf(
  redis: RedisFailover,
  { listen, dns, mx }: { readonly listen: number; readonly dns: number; readonly mx: number },
): string {
  return `
[queue]
engine = "redis"
${redis.settings}
content_dir = "${redis.directory}/content"
durability = "relaxed"
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
retry_quick = ["1s"]
retry_interval = "1s"
retry_interval_max = "2s"
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
`
}
