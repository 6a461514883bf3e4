/**
 * One question put to the configured servers: in order, again after silence, until one answers or the time is over.
 *
 * A server that answered with an error is not asked again for this question; one that was silent is, as datagrams get
 * lost. A truncated answer is fetched over TCP from the same server (RFC 7766 §5).
 */
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import { err, ok, type Result } from '../result.ts'
import type { DnsFailureReason } from './answer.ts'
import {
  answersQuery,
  type DnsMessage,
  type DnsResponse,
  decodeMessage,
  encodeQuery,
  isResponse,
  type Query,
  type Question,
} from './message.ts'
import { type Exchange, exchangeTcp, exchangeUdp, type NameServer } from './transport.ts'

export interface ServerQueryOptions {
  readonly servers: readonly NameServer[]
  /** Per exchange. */
  readonly timeoutMs: number
  /** Rounds through the servers. */
  readonly attempts: number
  /** For the question as a whole. */
  readonly deadlineMs: number
  /** Uniform in [0, 1), unpredictable: it makes the message ids. */
  readonly random: () => number
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
  readonly emit: EmitPolicyEvent
}

const IDS = 0x1_0000

export async function askServers(
  question: Question,
  options: ServerQueryOptions,
): Promise<Result<DnsResponse, DnsFailureReason>> {
  const endsAt = options.now() + options.deadlineMs
  const failures: DnsFailureReason[] = []
  const finished = new Set<NameServer>()
  for (let attempt = 0; attempt < options.attempts; attempt++) {
    for (const server of options.servers) {
      const leftMs = endsAt - options.now()
      if (finished.has(server) || leftMs <= 0 || options.signal.aborted) continue
      const answer = await askServer(question, server, { ...options, timeoutMs: Math.min(options.timeoutMs, leftMs) })
      if (answer.ok) return answer
      failures.push(answer.error)
      if (answer.error.kind === 'rcode' || answer.error.kind === 'malformed') finished.add(server)
    }
  }
  return err(mostTelling(failures))
}

async function askServer(
  question: Question,
  server: NameServer,
  options: ServerQueryOptions,
): Promise<Result<DnsResponse, DnsFailureReason>> {
  const startedAt = options.now()
  const answer = await exchangeMessages(question, server, options)
  if (!answer.ok) {
    options.emit({
      event: 'dns-server-failed',
      server: `${server.address}#${server.port}`,
      name: question.name,
      type: question.type,
      reason: answer.error,
      durationMs: Math.round(options.now() - startedAt),
    })
  }
  return answer
}

async function exchangeMessages(
  question: Question,
  server: NameServer,
  options: ServerQueryOptions,
): Promise<Result<DnsResponse, DnsFailureReason>> {
  const overUdp = read(await exchangeUdp(exchangeOf(question, server, options)))
  if (!overUdp.ok || !overUdp.value.truncated) return usable(overUdp)
  const overTcp = read(await exchangeTcp(exchangeOf(question, server, options)))
  if (overTcp.ok && overTcp.value.truncated) return err({ kind: 'malformed', detail: 'truncated over TCP' })
  return usable(overTcp)
}

/** Every exchange has its own id and source port. */
function exchangeOf(question: Question, server: NameServer, options: ServerQueryOptions): Exchange {
  const query: Query = encodeQuery(question, Math.floor(options.random() * IDS))
  return {
    server,
    message: query.bytes,
    belongs: (bytes) => answersQuery(bytes, query),
    onIgnored: () =>
      options.emit({
        event: 'dns-message-ignored',
        server: `${server.address}#${server.port}`,
        name: question.name,
        type: question.type,
      }),
    timeoutMs: options.timeoutMs,
    signal: options.signal,
  }
}

function read(exchanged: Awaited<ReturnType<typeof exchangeUdp>>): Result<DnsMessage, DnsFailureReason> {
  if (!exchanged.ok) return exchanged
  const message = decodeMessage(exchanged.value)
  return message.ok ? message : err({ kind: 'malformed', detail: message.error.detail })
}

/** Errors are worth a try with the next server; NXDOMAIN is an answer. */
function usable(message: Result<DnsMessage, DnsFailureReason>): Result<DnsResponse, DnsFailureReason> {
  if (!message.ok) return message
  const { value } = message
  if (isResponse(value)) return ok(value)
  const { rcode, extendedError } = value
  return err({ kind: 'rcode', rcode, ...(extendedError === undefined ? {} : { extendedError }) })
}

/** What a server said tells more than silence. */
function mostTelling(failures: readonly DnsFailureReason[]): DnsFailureReason {
  const order = ['rcode', 'malformed', 'network', 'timeout', 'cname-chain'] as const
  for (const kind of order) {
    const found = failures.find((failure) => failure.kind === kind)
    if (found !== undefined) return found
  }
  return { kind: 'network', code: 'ECANCELED' }
}
