/**
 * What DNS says of a destination, asked as delivery asks it, in front of a real name server: MX, then addresses, then
 * DANE. For tests of this room.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach } from 'node:test'
import { type DnsServer, startDnsServer, type Zone, zone } from '../../../../test/lab/dns-server.ts'
import type { NameRecords } from '../../../../test/lab/dns-zone.ts'
import { createStubResolver, type StubResolver } from '../dns/stub-resolver.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { resolveAddresses } from '../next-hop/addresses.ts'
import { type NextHop, resolveNextHop } from '../next-hop/resolve.ts'
import type { DaneFacts } from './facts.ts'
import type { HostOrigin } from './reference-names.ts'
import { type DaneOptions, daneFactsFor } from './source.ts'
import { parseTlsaText, tlsaText } from './tlsa-record.ts'

export interface DiscoveryBed {
  readonly server: DnsServer
  readonly resolver: StubResolver
  /** Of every host of a domain, in the order of preference. */
  discover(domain: string, options?: Partial<DaneOptions>): Promise<readonly Discovered[]>
  /** Of a host that a route names. */
  discoverRoute(host: string, port: number): Promise<DaneFacts>
  /** `TLSA _25._tcp.mx.test`: what was asked, in order, without the families of addresses. */
  asked(): readonly string[]
  /** The names that TLSA records were asked for. */
  askedForTlsa(): readonly string[]
  /** The same server, and nothing remembered of it. */
  fresh(): DiscoveryBed
}

export interface Discovered {
  readonly host: string
  readonly origin: HostOrigin
  readonly facts: DaneFacts
}

/** One server for the file, a resolver that remembers nothing for each test. */
export function discoveryBed(): DiscoveryBed {
  let server: DnsServer
  let resolver: StubResolver
  before(async () => {
    server = await startDnsServer()
  })
  const forgetAll = () => {
    resolver = createStubResolver({ servers: [server], trust: 'ad', timeoutMs: 500, attempts: 1 })
  }
  beforeEach(() => {
    server.forget()
    forgetAll()
  })
  after(() => server.close())

  const hostFacts = async (host: DomainName, asked: Asked) => {
    const addresses = await resolveAddresses({ resolver, host, guard: () => ({ kind: 'allowed' }), preferFamily: 4 })
    const { port, origin, options } = asked
    return daneFactsFor({ host, port, origin, addresses }, { resolver, insecureMx: 'use', ...options })
  }
  const bed: DiscoveryBed = {
    get server() {
      return server
    },
    get resolver() {
      return resolver
    },
    async discover(domain, options = {}) {
      const nextHop = name(domain)
      const found = await resolveNextHop({ resolver, domain: nextHop, self: { names: [] }, random: () => 0 })
      assert(found.kind === 'hosts', found.kind)
      const facts: Discovered[] = []
      for (const { mxHostname, implicit } of found.candidates) {
        const origin = originOf({ nextHop, found, implicit })
        facts.push({ host: mxHostname, origin, facts: await hostFacts(mxHostname, { port: 25, origin, options }) })
      }
      return facts
    },
    discoverRoute: (host, port) => hostFacts(name(host), { port, origin: { kind: 'route' }, options: {} }),
    asked: () => server.queries.map(({ type, name: asked }) => `${type} ${asked}`),
    askedForTlsa: () => server.queries.filter(({ type }) => type === 'TLSA').map(({ name: asked }) => asked),
    fresh() {
      forgetAll()
      return bed
    },
  }
  return bed
}

interface Asked {
  readonly port: number
  readonly origin: HostOrigin
  readonly options: Partial<DaneOptions>
}

function originOf(way: {
  readonly nextHop: DomainName
  readonly found: NextHop & { readonly kind: 'hosts' }
  readonly implicit: boolean
}): HostOrigin {
  const { nextHop, found, implicit } = way
  const { expandedNextHop, mxSecure: secure } = found
  return implicit ? { kind: 'implicit-mx', nextHop, secure } : { kind: 'mx', nextHop, expandedNextHop, secure }
}

/** Answers with these names are validated, but for those that say `secure: false`. */
export function signed(records: Readonly<Record<string, NameRecords>>): Zone {
  return zone(records, { secure: true })
}

export function tlsa(...texts: readonly string[]): NameRecords {
  return {
    TLSA: texts.map((text) => {
      const parsed = parseTlsaText(text)
      assert(parsed.ok, text)
      const { associationData: data, ...fields } = parsed.value
      return { ...fields, data }
    }),
  }
}

/** `tlsa mx.test 3 1 1`, `none no-tlsa`, `failure tlsa _25._tcp.mx.test rcode`: the gist of facts. */
export function gist(facts: DaneFacts): string {
  switch (facts.kind) {
    case 'tlsa': {
      const records = facts.usable.map((record) => tlsaText(record).slice(0, 5))
      return ['tlsa', facts.baseDomain, ...(records.length > 0 ? records : ['nothing usable'])].join(' ')
    }
    case 'none':
      return `none ${facts.because}`
    case 'failure':
      return `failure ${facts.lookup} ${facts.name} ${facts.reason.kind}`
  }
}

export function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}

export const DIGEST = 'ab'.repeat(32)
export const EE = `3 1 1 ${DIGEST}`
export const TA = `2 0 1 ${DIGEST}`
