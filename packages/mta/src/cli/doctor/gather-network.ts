/**
 * Facts from the network: what the name servers say, what our own name and its addresses are called, whether
 * servers of a domain can be reached on port 25. Nothing is sent but DNS questions and QUIT.
 */
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type AddressJudgement,
  createStubResolver,
  type DnsAnswer,
  type DnsFailureReason,
  type DomainName,
  extendedErrorText,
  type NameServer,
  readSystemServers,
  resolveAddresses,
  resolveNextHop,
  type StubResolver,
} from '@hermetic/policy'
import { systemErrorCode } from '../../config/system-error.ts'
import type { MailDomain } from '../../smtp/mail-address.ts'
import { formatDomain } from '../../smtp/mail-address.ts'
import type { ConnectFacts, LookupFacts, OwnNameFacts, PortFacts, ResolverFacts } from './facts.ts'

/** A person waits; the relay itself is more patient. */
const DNS_TIMEOUT_MS = 2_000
const DNS_DEADLINE_MS = 6_000
const CONNECT_TIMEOUT_MS = 8_000
/** Enough to tell a blocked port from one dead server. */
const TRIES_MAX = 3
const GREETING_BYTES_MAX = 2_048

export type ServersFound = { readonly servers: readonly [NameServer, ...NameServer[]] } | { readonly problem: string }

export async function nameServers(configured: readonly NameServer[]): Promise<ServersFound> {
  const [first, ...rest] = configured
  if (first !== undefined) return { servers: [first, ...rest] }
  const system = await readSystemServers()
  if (system.ok) return { servers: system.value }
  const { error } = system
  return {
    problem:
      error.kind === 'unreadable' ? `${error.path} cannot be read (${error.code})` : `${error.path} names no server`,
  }
}

/** DNSSEC is looked at by itself (`gather-dnssec.ts`). */
export function openDoctorResolver(servers: readonly [NameServer, ...NameServer[]]): StubResolver {
  return createStubResolver({
    servers,
    trust: 'none',
    timeoutMs: DNS_TIMEOUT_MS,
    attempts: 2,
    deadlineMs: DNS_DEADLINE_MS,
  })
}

export interface ResolverQuestion {
  readonly resolver: StubResolver
  readonly servers: readonly NameServer[]
  readonly name: DomainName
}

export async function resolverFacts({ resolver, servers, name }: ResolverQuestion): Promise<ResolverFacts> {
  const started = performance.now()
  const answer = await resolver.mx(name)
  const durationMs = performance.now() - started
  return {
    kind: 'asked',
    servers: servers.map(({ address, port }) => (port === 53 ? address : `${address} port ${port}`)),
    question: `MX ${name}`,
    answer: answer.kind === 'failure' ? { kind: 'failed', detail: failureWords(answer.reason) } : { kind: 'answered' },
    durationMs,
  }
}

export async function ownNameFacts(own: MailDomain, resolver: StubResolver | undefined): Promise<OwnNameFacts> {
  if (own.kind === 'literal') return { kind: 'literal', text: formatDomain(own) }
  const { name } = own
  if (resolver === undefined)
    return { kind: 'name', name, addresses: { kind: 'failed', detail: 'no name server' }, reverse: [] }
  const families = await Promise.all([resolver.address(name, 4), resolver.address(name, 6)])
  const addresses = together(families.map(lookupFacts))
  const found = addresses.kind === 'found' ? addresses.values : []
  const reverse = await Promise.all(
    found.map(async (address) => ({ address, names: lookupFacts(await resolver.reverse(address)) })),
  )
  return { kind: 'name', name, addresses, reverse }
}

function lookupFacts<T extends string>(answer: DnsAnswer<T>): LookupFacts<string> {
  switch (answer.kind) {
    case 'records':
      return { kind: 'found', values: answer.records }
    case 'absent':
      return { kind: 'absent' }
    case 'failure':
      return { kind: 'failed', detail: failureWords(answer.reason) }
  }
}

/** One family that answers is enough; absence is only known when both say so. */
function together(lookups: readonly LookupFacts<string>[]): LookupFacts<string> {
  const values = lookups.flatMap((one) => (one.kind === 'found' ? one.values : []))
  if (values.length > 0) return { kind: 'found', values }
  return lookups.find(({ kind }) => kind === 'failed') ?? { kind: 'absent' }
}

export function failureWords(reason: DnsFailureReason): string {
  switch (reason.kind) {
    case 'timeout':
      return 'no answer in time'
    case 'network':
      return reason.code
    case 'rcode':
      return reason.extendedError === undefined
        ? reason.rcode
        : `${reason.rcode}, ${extendedErrorText(reason.extendedError)}`
    case 'malformed':
      return `malformed answer: ${reason.detail}`
    case 'unvalidated':
      return `not validated: ${reason.detail}`
    case 'cname-chain':
      return 'a chain of aliases without end'
  }
}

export interface PortQuestion {
  readonly resolver: StubResolver
  readonly domain: DomainName
  readonly port: number
  readonly guard: (address: string) => AddressJudgement
}

export async function portFacts({ resolver, domain, port, guard }: PortQuestion): Promise<PortFacts> {
  const nextHop = await resolveNextHop({ resolver, domain, self: { names: [] }, random: Math.random })
  if (nextHop.kind !== 'hosts') {
    const detail = nextHop.kind === 'failure' ? failureWords(nextHop.reason) : nextHop.kind
    return { kind: 'no-host', domain, detail }
  }
  const tries: ConnectFacts[] = []
  for (const { mxHostname } of nextHop.candidates.slice(0, TRIES_MAX)) {
    const found = await resolveAddresses({ resolver, host: mxHostname, guard, preferFamily: 4 })
    if (found.kind !== 'addresses') continue
    const refused = found.refused.map(({ address, reason }): ConnectFacts => {
      return { host: mxHostname, address, outcome: { kind: 'refused-by-guard', reason }, durationMs: 0 }
    })
    const [first] = found.allowed
    tries.push(...(first === undefined ? refused : [await greet(mxHostname, first.address, port)]))
    if (tries.at(-1)?.outcome.kind === 'greeted') break
  }
  if (tries.length === 0) return { kind: 'no-host', domain, detail: 'its servers have no addresses' }
  return { kind: 'tried', domain, port, tries }
}

function greet(host: string, address: string, port: number): Promise<ConnectFacts> {
  const started = performance.now()
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    let connected = false
    let text = ''
    const done = (outcome: ConnectFacts['outcome']): void => {
      clearTimeout(impatient)
      socket.destroySoon()
      resolve({ host, address, outcome, durationMs: performance.now() - started })
    }
    const impatient = setTimeout(() => {
      done(connected ? { kind: 'silent' } : { kind: 'failed', code: 'ETIMEDOUT' })
      socket.destroy()
    }, CONNECT_TIMEOUT_MS)
    socket.on('connect', () => {
      connected = true
    })
    socket.on('error', (error) => done({ kind: 'failed', code: systemErrorCode(error) ?? 'unknown' }))
    socket.on('end', () => done({ kind: 'silent' }))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\n')
      if (end === -1 && text.length < GREETING_BYTES_MAX) return
      socket.write('QUIT\r\n')
      done({ kind: 'greeted', line: text.slice(0, end === -1 ? GREETING_BYTES_MAX : end).trim() })
    })
  })
}

/** The wall clock against the monotonic one, over the given time. */
export async function clockJump(watchMs: number): Promise<{ readonly jumpMs: number; readonly watchedMs: number }> {
  const [wall, mono] = [Date.now(), performance.now()]
  await delay(watchMs)
  const watchedMs = performance.now() - mono
  return { jumpMs: Date.now() - wall - watchedMs, watchedMs }
}
