/**
 * One address of a host that answers, or what was wrong with each: those that are known to be dead are passed by, the
 * others are raced (`smtp/dial.ts`), and what is learnt is remembered for everybody's next mail. In which order, and
 * how many, is the caller's.
 */
import type { Socket } from 'node:net'
import { dial } from '../smtp/dial.ts'
import type { SmtpTimeouts } from '../smtp/timeouts.ts'
import { type DeadHosts, isDeath, placeOf } from './dead-hosts.ts'
import type { DeliveryCause } from './outcome.ts'

export interface HostDialOptions {
  readonly dead: DeadHosts
  readonly timeouts: Pick<SmtpTimeouts, 'connectMs'>
  readonly attemptDelayMs?: number | undefined
  readonly localAddress?: string | undefined
  /** UTC milliseconds. */
  readonly now: () => number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
}

export interface HostDialRequest {
  /** In order of preference. */
  readonly addresses: readonly string[]
  /** How many of them may be dialled. */
  readonly dialledMax: number
  readonly port: number
  /** Mail waits here that would be given up without another connection: a memory is not enough for that. */
  readonly evenDead: boolean
  readonly signal: AbortSignal
}

export interface FailedAddress {
  readonly address: string
  readonly cause: DeliveryCause
  /** UTC milliseconds of the connection that failed; of one that is remembered, then. */
  readonly at: number
  readonly durationMs: number
  readonly remembered: boolean
}

export interface HostDialled {
  readonly connected?: { readonly address: string; readonly socket: Socket }
  /** What is known now of the others; of those that were not dialled, nothing. */
  readonly failed: readonly FailedAddress[]
}

/** The dead ones are told of only when there is nobody else. */
export async function dialHost(request: HostDialRequest, options: HostDialOptions): Promise<HostDialled> {
  const { port, signal, dialledMax } = request
  const { alive, dead } = told(request, options)
  if (alive.length === 0) return { failed: dead }
  const { timeouts, attemptDelayMs, monotonic, localAddress, now } = options
  const targets = alive.slice(0, dialledMax).map((address) => ({ address, localAddress }))
  const { connected, failed } = await dial({ targets, port, timeouts, attemptDelayMs, signal, monotonic })
  const at = now()
  for (const { target, problem } of failed) learn({ ...target, port }, { cause: problem, at }, options)
  return {
    ...(connected === undefined ? {} : { connected: { address: connected.target.address, socket: connected.socket } }),
    failed: failed.map(({ target, problem, durationMs }) => {
      return { address: target.address, cause: problem, at, durationMs, remembered: false }
    }),
  }
}

/** What a session at the address came to: greeted is what counts, a connection alone may be a tar pit's. */
export function learnOfSession(
  at: { readonly address: string; readonly port: number },
  cause: DeliveryCause | undefined,
  options: HostDialOptions,
): void {
  const where = { ...at, localAddress: options.localAddress }
  if (cause !== undefined && isDeath(cause)) learn(where, { cause, at: options.now() }, options)
  else if (cause?.kind !== 'stopped') options.dead.answered(place(where))
}

interface Where {
  readonly address: string
  readonly port: number
  readonly localAddress: string | undefined
}

function place({ address, port, localAddress }: Where): string {
  return placeOf({ address, port, from: localAddress })
}

function learn(
  where: Where,
  death: { readonly cause: DeliveryCause; readonly at: number },
  { dead }: HostDialOptions,
): void {
  if (isDeath(death.cause)) dead.died(place(where), death)
}

function told(
  { addresses, port, evenDead }: HostDialRequest,
  { dead: memory, localAddress }: HostDialOptions,
): { readonly alive: readonly string[]; readonly dead: readonly FailedAddress[] } {
  if (evenDead) return { alive: addresses, dead: [] }
  const alive: string[] = []
  const dead: FailedAddress[] = []
  for (const address of addresses) {
    const death = memory.passBy(place({ address, port, localAddress }))
    if (death === undefined) alive.push(address)
    else dead.push({ address, ...death, durationMs: 0, remembered: true })
  }
  return { alive, dead }
}
