/**
 * Everything behind the spool: name servers, guard, permits, scheduler, delivery. Running when this returns.
 */
import { readFileSync } from 'node:fs'
import { createStubResolver, type DnsResolver, err, ok, parseCidr, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { createDelivery } from '../delivery/delivery.ts'
import { createLocalPermits } from '../limits/adapters/local-permits.ts'
import type { LogEvent } from '../observability/log-events.ts'
import { createLocalScheduler } from '../schedule/adapters/local-scheduler.ts'
import type { LaneScheduler } from '../schedule/lane-scheduler.ts'
import { formatAddress, formatDomain } from '../smtp/mail-address.ts'
import type { Spool } from '../spool/spool.ts'
import { retryOptions, reuseLimits, smtpTimeouts } from './delivery-settings.ts'
import { EgressGuard } from './egress-guard.ts'
import { type NameServers, nameServers } from './name-servers.ts'
import { postmasterOf } from './postmaster.ts'
import { type WatchedResolver, watchResolver } from './resolver-watch.ts'
import type { StartProblem } from './start-problem.ts'

export interface DeliverySide {
  readonly scheduler: LaneScheduler
  readonly guard: EgressGuard
  readonly resolver: WatchedResolver
  /** Undefined when something else answers in their place. */
  readonly nameServers: NameServers | undefined
  stop(graceMs: number): Promise<void>
}

export interface DeliveryParts {
  readonly spool: Spool
  readonly resolver?: DnsResolver
  readonly emit: (event: LogEvent) => void
}

export async function startDeliverySide(
  config: Config,
  { spool, emit, resolver: replaced }: DeliveryParts,
): Promise<Result<DeliverySide, StartProblem>> {
  const ca = readRoots(config)
  if (!ca.ok) return ca
  const servers = replaced === undefined ? await nameServers(config.dns.servers) : undefined
  const stub = servers && createStubResolver({ servers: servers.servers, trust: config.dns.trust, emit })
  const answering = replaced ?? stub
  if (answering === undefined) throw new Error('either a resolver or name servers are there')
  const resolver = watchResolver(answering)
  const guard = new EgressGuard(config.egress.smtp_networks.map(network))
  const scheduler = createLocalScheduler({ dueLanes: (query) => spool.dueLanes(query), now: Date.now, emit })
  const delivery = createDelivery({
    ...{ spool, scheduler, resolver, emit, ca: ca.value },
    permits: createLocalPermits({ perSite: config.delivery.concurrency_per_site }),
    hostname: formatDomain(config.hostname),
    postmaster: formatAddress(postmasterOf(config)),
    self: { names: config.hostname.kind === 'name' ? [config.hostname.name] : [] },
    guard: (address, port) => guard.judge(address, port),
    port: config.delivery.port,
    retry: retryOptions(config),
    reuse: reuseLimits(config),
    timeouts: smtpTimeouts(config),
    stopGraceMs: config.delivery.stop_grace,
    now: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
  })
  await scheduler.run(delivery.turn, { slots: config.delivery.concurrency })
  return ok({
    ...{ scheduler, guard, resolver, nameServers: servers },
    stop: async (graceMs) => {
      await scheduler.stop(graceMs)
      await delivery.close()
      stub?.close()
    },
  })
}

function readRoots({ trust: { ca_file: path } }: Config): Result<readonly string[], StartProblem> {
  if (path === undefined) return ok([])
  try {
    return ok([readFileSync(path, 'utf8')])
  } catch (error) {
    return err({ kind: 'certificate-authorities', path, error })
  }
}

function network(text: string) {
  const parsed = parseCidr(text)
  if (!parsed.ok) throw new Error(`the configuration let ${text} pass as a network`)
  return parsed.value
}
