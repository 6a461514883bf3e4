/** Destinations as facts, for the tests of what Postfix is told of them. */
import type { DaneFacts } from '../dane/facts.ts'
import { byInsecureMx, bySecureMx, DANE, domain, nextHop, pattern } from '../decision.fixture.ts'
import type { StsFacts } from '../mta-sts/source-facts.ts'
import { type DestinationFacts, type HostFacts, type JudgeOptions, judgedDestination } from './destination.ts'
import type { NobodyBecause } from './reasons.ts'
import { replyText, type SocketmapReply, socketmapReply } from './reply.ts'
import { type SocketmapZone, ZONE_DEFAULTS } from './zone.ts'

export const NOW = Date.UTC(2026, 10, 22)
const HOUR = 3_600_000
const GATHERED = { policyDomain: nextHop, record: undefined, uncounted: undefined, validUntil: NOW + HOUR } as const

export interface Told {
  /** TLSA facts by host; the MX RRset is secure unless they say otherwise. */
  readonly hosts?: Readonly<Record<string, keyof typeof DANE | 'off' | HostFacts>>
  readonly fetched?: StsFacts | undefined
  readonly nobody?: NobodyBecause
  readonly zone?: Partial<SocketmapZone>
  readonly judge?: Partial<JudgeOptions>
}

/** Without anything else: one host behind a secure MX RRset, and no policy. */
export function replyTo({
  hosts = { 'mx.example.test': 'absent' },
  fetched,
  nobody,
  zone = {},
  judge = {},
}: Told): SocketmapReply {
  const facts: DestinationFacts = {
    ...{ domain: nextHop, fetched, nobody, validUntil: NOW + HOUR },
    hosts: nobody === undefined ? Object.entries(hosts).map(hostFacts) : [],
  }
  const asked = { ...ZONE_DEFAULTS, name: 'policy', ...zone }
  return socketmapReply(judgedDestination(facts, asked, { now: () => NOW, ...judge }), asked)
}

export function textTo(told: Told): string {
  return replyText(replyTo(told))
}

function hostFacts([name, told]: [string, keyof typeof DANE | 'off' | HostFacts]): HostFacts {
  if (typeof told === 'object') return told
  const dane: DaneFacts | undefined = told === 'off' ? undefined : DANE[told]
  const secure = !told.endsWith('-insecure-mx')
  return { mxHostname: domain(name), origin: secure ? bySecureMx : byInsecureMx, dane }
}

export function published(mode: 'enforce' | 'testing', ...mx: readonly string[]): StsFacts {
  const lines = ['version: STSv1', `mode: ${mode}`, ...mx.map((one) => `mx: ${one}`), 'max_age: 86400']
  return {
    ...{ kind: 'policy', mode, id: '1', from: 'cache', fetchedAt: NOW - HOUR, expiresAt: NOW + HOUR },
    policy: { mode, mx: mx.map(pattern), maxAgeSeconds: 86_400, lines },
    ...GATHERED,
  }
}

/** Announced, and not to be had. */
export const UNCERTAIN: StsFacts = {
  kind: 'none',
  because: { kind: 'record-lookup-failed', reason: { kind: 'timeout' } },
  ...GATHERED,
}

export const UNAVAILABLE: StsFacts = { kind: 'unavailable', because: 'cache', ...GATHERED }
