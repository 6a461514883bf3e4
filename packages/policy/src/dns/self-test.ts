/**
 * Does a server validate? It is asked for the SOA record of the root, which is signed, and must set AD (RFC 4035
 * §3.2.3; architecture, decision 6). The outcome is a value; what follows from it is decided in `validation-state.ts`.
 */
import type { Answer } from 'dns-packet'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import type { DnsFailureReason } from './answer.ts'
import type { Question } from './message.ts'
import type { SelfTestProblem } from './self-test-problem.ts'
import { askServers } from './server-query.ts'
import type { NameServer } from './transport.ts'

export type SelfTest = { readonly kind: 'passed' } | { readonly kind: 'failed'; readonly problem: SelfTestProblem }

export interface SelfTestOptions {
  readonly random: () => number
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
  readonly timeoutMs?: number
}

const QUESTION: Question = { name: '.', type: 'SOA' }
/** Near servers answer at once; a resolver that has just started may have to find the root first. */
const TIMEOUT_MS = 1_500
const ATTEMPTS = 2
/** What fails here is told by the state, once; not as one more failed question. */
const quietly: EmitPolicyEvent = () => undefined

/** Any of the servers may be the one that answers mail's questions: those that answer must all validate. */
export async function selfTest(
  servers: readonly [NameServer, ...NameServer[]],
  options: SelfTestOptions,
): Promise<SelfTest> {
  const tests = await Promise.all(servers.map((server) => testServer(server, options)))
  const idle = tests.find(({ outcome }) => outcome === 'no-ad')
  if (idle !== undefined) return { kind: 'failed', problem: { kind: 'does-not-validate', server: idle.server } }
  if (tests.some(({ outcome }) => outcome === 'validates')) return { kind: 'passed' }
  const [first] = tests.flatMap(({ server, outcome }) => (typeof outcome === 'string' ? [] : [{ server, outcome }]))
  const { server, outcome: reason } = first ?? { server: servers[0], outcome: { kind: 'timeout' as const } }
  return { kind: 'failed', problem: { kind: 'no-answer', server, reason } }
}

async function testServer(
  server: NameServer,
  { timeoutMs = TIMEOUT_MS, ...options }: SelfTestOptions,
): Promise<{ readonly server: NameServer; readonly outcome: 'validates' | 'no-ad' | DnsFailureReason }> {
  const limits = { timeoutMs, attempts: ATTEMPTS, deadlineMs: timeoutMs * ATTEMPTS }
  const answer = await askServers(QUESTION, { ...options, ...limits, servers: [server], emit: quietly })
  if (!answer.ok) return { server, outcome: answer.error }
  const { rcode, answers, authenticData } = answer.value
  if (rcode !== 'NOERROR' || !answers.some(isRootSoa)) {
    return { server, outcome: { kind: 'malformed', detail: 'no SOA record of the root' } }
  }
  return { server, outcome: authenticData ? 'validates' : 'no-ad' }
}

function isRootSoa({ type, name }: Answer): boolean {
  return type === 'SOA' && name === '.'
}
