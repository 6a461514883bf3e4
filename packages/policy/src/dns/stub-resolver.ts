/**
 * Adapter of `DnsResolver`: a stub resolver that keeps what `node:dns` hides: DNSSEC status, RCODE and extended
 * error, TTL, the CNAME chain (RFC 1034 §5.3.1, RFC 4035 §4.9).
 *
 * It validates nothing itself: `secure` is the AD bit of servers that the caller trusts (`trust.ts`).
 */
import { randomInt } from 'node:crypto'
import type { Answer } from 'dns-packet'
import { type OwnerName, parseOwnerName } from '../domain-name.ts'
import { addressBytes } from '../egress/cidr.ts'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import { invariant } from '../result.ts'
import type { DnsAnswer } from './answer.ts'
import { AnswerCache, type CacheLimits, DEFAULT_CACHE_LIMITS } from './answer-cache.ts'
import { followChain } from './answer-chain.ts'
import { Gate } from './gate.ts'
import { type RecordReader, readA, readAaaa, readCname, readMx, readPtr, readTlsa, readTxt } from './record-reader.ts'
import type { DnsResolver } from './resolver.ts'
import { askServers, type ServerQueryOptions } from './server-query.ts'
import type { NameServer } from './transport.ts'

export interface StubResolverOptions {
  readonly servers: readonly [NameServer, ...NameServer[]]
  /** Whether the servers' AD bit is believed. */
  readonly trust: 'ad' | 'none'
  readonly timeoutMs?: number
  readonly attempts?: number
  readonly deadlineMs?: number
  readonly cache?: Partial<CacheLimits>
  /** Uniform in [0, 1), unpredictable. */
  readonly random?: () => number
  /** Monotonic milliseconds. */
  readonly now?: () => number
  readonly emit?: EmitPolicyEvent
}

export interface StubResolver extends DnsResolver {
  /** Ends what is running: those lookups fail with ECANCELED. */
  close(): void
}

/** A recursive resolver may need seconds for a cold name; it goes on working between our attempts. */
const TIMEOUT_MS = 3_000
const ATTEMPTS = 3
const DEADLINE_MS = 20_000
/** Each running question holds a socket. */
const MAX_RUNNING = 256
const RANDOM_STEPS = 2 ** 32

export function createStubResolver(options: StubResolverOptions): StubResolver {
  const stopping = new AbortController()
  const now = options.now ?? (() => performance.now())
  const cache = new AnswerCache({ ...DEFAULT_CACHE_LIMITS, ...options.cache }, now)
  const gate = new Gate(MAX_RUNNING)
  const query: ServerQueryOptions = {
    servers: options.servers,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    attempts: options.attempts ?? ATTEMPTS,
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    random: options.random ?? (() => randomInt(RANDOM_STEPS) / RANDOM_STEPS),
    now,
    signal: stopping.signal,
    emit: options.emit ?? (() => undefined),
  }
  const ask = <T>(
    name: OwnerName,
    reader: RecordReader<T>,
    how?: { readonly afresh?: boolean },
  ): Promise<DnsAnswer<T>> => {
    const lookup = () => gate.run(() => lookUp({ name, reader, query, believeAd: options.trust === 'ad' }))
    return cache.through(`${reader.type} ${name}`, lookup, how)
  }
  return {
    mx: (name) => ask(name, readMx),
    address: (name, family) => ask(name, family === 4 ? readA : readAaaa),
    txt: (name, how) => ask(name, readTxt, how),
    cname: (name) => ask(name, readCname),
    tlsa: (owner) => ask(owner, readTlsa),
    reverse: (address) => ask(reverseName(address), readPtr),
    close: () => stopping.abort(),
  }
}

interface Lookup<T> {
  readonly name: OwnerName
  readonly reader: RecordReader<T>
  readonly query: ServerQueryOptions
  readonly believeAd: boolean
}

/** Follows aliases from response to response; every link must be secure for the whole to be. */
async function lookUp<T>({ name, reader, query, believeAd }: Lookup<T>): Promise<DnsAnswer<T>> {
  const aliases = new Set<OwnerName>()
  let question = { name, type: reader.type }
  let secure = believeAd
  let ttlSeconds = Number.POSITIVE_INFINITY
  for (;;) {
    const message = await askServers(question, query)
    if (!message.ok) return { kind: 'failure', reason: message.error }
    const step = followChain(message.value, question, aliases)
    if (!step.ok) return { kind: 'failure', reason: step.error }
    const { end, name: canonicalName } = step.value
    secure &&= message.value.authenticData
    ttlSeconds = Math.min(ttlSeconds, step.value.ttlSeconds)
    if (end.kind === 'absent') return { ...end, secure, canonicalName, ttlSeconds }
    if (end.kind === 'records') return readRecords(end.records, reader, { secure, canonicalName, ttlSeconds })
    question = { name: canonicalName, type: reader.type }
  }
}

function readRecords<T>(
  records: readonly Answer[],
  reader: RecordReader<T>,
  facts: { readonly secure: boolean; readonly canonicalName: OwnerName; readonly ttlSeconds: number },
): DnsAnswer<T> {
  const [first, ...rest] = records.map(reader.read).filter((record) => record !== undefined)
  if (first === undefined) {
    return { kind: 'failure', reason: { kind: 'malformed', detail: `unusable ${reader.type} records` } }
  }
  return { kind: 'records', records: [first, ...rest], ...facts }
}

/** RFC 1035 §3.5, RFC 3596 §2.5. */
function reverseName(address: string): OwnerName {
  const bytes = addressBytes(address)
  invariant(bytes !== undefined, `an address: ${address}`)
  const text =
    bytes.length === 4
      ? `${bytes.toReversed().join('.')}.in-addr.arpa`
      : `${[...Buffer.from(bytes).toString('hex')].reverse().join('.')}.ip6.arpa`
  const name = parseOwnerName(text)
  invariant(name.ok, `a reverse name: ${text}`)
  return name.value
}
