/**
 * DNS for everything that leaves: name servers, who vouches for DNSSEC, and what is remembered of it. Asked
 * and decided when this returns.
 */
import { join } from 'node:path'
import {
  type DnsResolver,
  type DnssecState,
  openTrustedDns,
  programFolders,
  type TrustedDnsOptions,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { LogEvent } from '../observability/log-events.ts'
import type { DnssecMemory } from './dnssec-memory.ts'
import { type NameServers, nameServers } from './name-servers.ts'

export interface DnssecSide {
  readonly resolver: DnsResolver
  /** Undefined when something else answers in their place. */
  readonly nameServers: NameServers | undefined
  /** Undefined when something else answers in place of name servers. */
  state(): DnssecState | undefined
  /** False: DANE is off for as long as this process lives. */
  danePossible(): boolean
  /** Nothing may be delivered yet, for want of a validator. */
  held(): boolean
  /** Fulfilled when deliveries may begin. */
  readonly released: Promise<void>
  close(): Promise<void>
}

/** What tests put in place of the outside world. */
export interface DnssecSurroundings {
  /** In place of the root's. */
  readonly anchors?: readonly string[]
  readonly timing?: NonNullable<TrustedDnsOptions['timing']>
  /** Where `unbound` is looked for. */
  readonly folders?: readonly string[]
}

export interface DnssecParts {
  /** Answers in place of name servers. */
  readonly resolver?: DnsResolver
  readonly dnssec?: DnssecSurroundings
  readonly openDnssecMemory: () => Promise<DnssecMemory>
  readonly emit: (event: LogEvent) => void
}

const UNBOUND_DIRECTORY = 'unbound'

export async function startDnssecSide(
  config: Config,
  { resolver, dnssec = {}, openDnssecMemory, emit }: DnssecParts,
): Promise<DnssecSide> {
  if (resolver !== undefined) return withoutValidation(resolver)
  const servers = await nameServers(config.dns.servers)
  const { remembered, remember } = await openDnssecMemory()
  const { anchors, timing, folders = programFolders(process.env['PATH'] ?? '') } = dnssec
  const dns = await openTrustedDns({
    servers: servers.servers,
    serversNamed: servers.from === 'configuration',
    trust: config.dns.trust,
    dane: config.dane.enabled,
    ...{ remembered, remember, emit },
    unbound: {
      directory: join(config.data_dir, UNBOUND_DIRECTORY),
      folders,
      ...(anchors === undefined ? {} : { anchors }),
    },
    ...(timing === undefined ? {} : { timing }),
  })
  return {
    resolver: dns.resolver,
    nameServers: servers,
    state: () => dns.state(),
    danePossible: () => dns.danePossible(),
    held: () => isHeld(dns.state()),
    released: dns.released,
    close: () => dns.close(),
  }
}

function isHeld(state: DnssecState): boolean {
  return state.kind === 'lost' && state.delivery === 'held'
}

function withoutValidation(resolver: DnsResolver): DnssecSide {
  return {
    ...{ resolver, nameServers: undefined },
    state: () => undefined,
    danePossible: () => false,
    held: () => false,
    released: Promise.resolve(),
    close: async () => undefined,
  }
}
