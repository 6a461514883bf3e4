/**
 * What the configuration says about where mail goes and whom it may reach: the part of delivery's options that needs
 * no queue. The relay delivers by it, and `hermetic explain` explains by the same when no relay runs.
 */
import { readFileSync } from 'node:fs'
import {
  type DaneSource,
  type DnsResolver,
  err,
  GuardedHttps,
  type Listener,
  ok,
  parseCidr,
  type Result,
  type StsSource,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { CachedToken } from '../delivery/access-token.ts'
import type { DestinationOptions } from '../delivery/delivery.ts'
import { LiveRoutes } from '../delivery/live-routes.ts'
import { askForToken } from '../delivery/token-endpoint.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import { configuredLimits } from './configured-limits.ts'
import { configuredRoutes, type TokensFor } from './configured-routes.ts'
import { configuredSources } from './configured-sources.ts'
import { dialSettings, smtpTimeouts } from './delivery-settings.ts'
import { EgressGuard } from './egress-guard.ts'
import type { LocalPolicySettings } from './local-policies.ts'
import type { StartProblem } from './start-problem.ts'

export interface DestinationParts {
  readonly resolver: Pick<DnsResolver, 'mx' | 'address'>
  /** PEM roots beside Node's own. */
  readonly ca: readonly string[]
  /** Absent: MTA-STS is off. */
  readonly sts: Pick<StsSource, 'policyFor' | 'refetch'> | undefined
  /** Absent: DANE is off. */
  readonly dane: DaneSource | undefined
  /** What the operator says of single domains. */
  readonly local: LocalPolicySettings
  readonly emit: DestinationOptions['emit']
}

export interface Destinations {
  readonly options: DestinationOptions
  /** From now on, for everybody who has the options. */
  useRoutes(next: Config): void
  /** Once the ports are bound: our own listeners are never dialled. */
  setListeners(listeners: readonly Listener[]): void
}

const EVERYWHERE = ['0.0.0.0/0', '::/0']

export function destinationOptions(config: Config, parts: DestinationParts): Destinations {
  const { resolver, ca, sts, dane, local, emit } = parts
  const guard = new EgressGuard(config.egress.smtp_networks.map(network))
  // Architecture, decision 8: hosts that the operator wrote may be anywhere, but at our own listeners.
  const smarthostGuard = new EgressGuard(EVERYWHERE.map(network))
  const limits = configuredLimits(config)
  // The operator wrote the name of the token endpoint too; it has to prove it.
  const https = new GuardedHttps({ resolver, guard: (address, port) => smarthostGuard.judge(address, port), ca })
  const monotonic = () => performance.now()
  const tokensFor: TokensFor = (grant) => {
    const { host } = grant.endpoint
    const tell = (lifetimeMs: number) => emit({ event: 'access-token-obtained', endpoint: host, lifetimeMs })
    return new CachedToken({ ask: () => askForToken(grant, https), obtained: tell, monotonic })
  }
  const routes = new LiveRoutes(configuredRoutes(config, tokensFor))
  const options: DestinationOptions = {
    ...{ resolver, ca, dane, emit, ...local },
    hostname: formatDomain(config.hostname),
    self: { names: config.hostname.kind === 'name' ? [config.hostname.name] : [] },
    guard: (address, port) => guard.judge(address, port),
    smarthostGuard: (address, port) => smarthostGuard.judge(address, port),
    routes,
    sources: configuredSources(config),
    port: config.delivery.port,
    timeouts: smtpTimeouts(config),
    ...dialSettings(config),
    siteFor: (nextHop) => limits.siteOf(nextHop),
    now: Date.now,
    monotonic,
    random: Math.random,
    ...(sts === undefined ? {} : { sts }),
  }
  return {
    options,
    useRoutes: (next) => routes.replace(configuredRoutes(next, tokensFor)),
    setListeners: (listeners) => {
      for (const one of [guard, smarthostGuard]) one.setListeners(listeners)
    },
  }
}

export function readRoots({ trust: { ca_file: path } }: Config): Result<readonly string[], StartProblem> {
  if (path === undefined) return ok([])
  try {
    return ok([readFileSync(path, 'utf8')])
  } catch (error) {
    return err({ kind: 'certificate-authorities', path, error })
  }
}

export function network(text: string) {
  const parsed = parseCidr(text)
  if (!parsed.ok) throw new Error(`the configuration let ${text} pass as a network`)
  return parsed.value
}
