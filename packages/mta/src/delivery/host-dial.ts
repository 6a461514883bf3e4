/**
 * One address of a host that answers, or what was wrong with each: those that are known to be dead are passed by, the
 * others are raced (`smtp/dial.ts`), each from an address of the lane's pool, and what is learnt is remembered for
 * everybody's next mail. In which order, and how many, is the caller's.
 */
import type { Socket } from 'node:net'
import { type DialFailure, type DialTarget, dial } from '../smtp/dial.ts'
import type { SmtpTimeouts } from '../smtp/timeouts.ts'
import { type DeadHosts, isDeath, placeOf } from './dead-hosts.ts'
import { familyOf } from './dial-order.ts'
import type { DeliveryCause } from './outcome.ts'
import type { SourceAddress, SourceAddresses } from './source-address.ts'

export interface HostDialOptions {
  readonly dead: DeadHosts
  readonly sources: SourceAddresses
  readonly timeouts: Pick<SmtpTimeouts, 'connectMs'>
  readonly attemptDelayMs?: number | undefined
  /** UTC milliseconds. */
  readonly now: () => number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  readonly onSourceMissing: (source: SourceAddress) => void
}

export interface HostDialRequest {
  /** In order of preference. */
  readonly addresses: readonly string[]
  /** How many of them may be dialled. */
  readonly dialledMax: number
  readonly port: number
  /** Source addresses of the lane; absent: the system chooses. */
  readonly pool: string | undefined
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
  readonly connected?: { readonly address: string; readonly socket: Socket; readonly source?: SourceAddress }
  /** What is known now of the others; of those that were not dialled, nothing. */
  readonly failed: readonly FailedAddress[]
}

interface Target extends DialTarget {
  readonly source?: SourceAddress
}

/** Those that are not dialled are told of only when there is nobody else. */
export async function dialHost(request: HostDialRequest, options: HostDialOptions): Promise<HostDialled> {
  const failed: FailedAddress[] = []
  for (let addresses = request.addresses; ; ) {
    const { targets, others } = targetsOf({ ...request, addresses }, options)
    if (targets.length === 0) return { failed: [...failed, ...others] }
    const { connected, failed: silent } = await dialTargets(targets.slice(0, request.dialledMax), request, options)
    const missing = silent.filter(isSourceMissing)
    for (const { target } of missing) setAside(target, options)
    failed.push(
      ...told(
        silent.filter((failure) => !isSourceMissing(failure)),
        request,
        options,
      ),
    )
    if (connected !== undefined) {
      const { target, socket } = connected
      const { address, source } = target
      return { connected: { address, socket, ...(source === undefined ? {} : { source }) }, failed }
    }
    // The same addresses once more, from the next of the pool; in the end it has none.
    if (missing.length === 0) return { failed }
    addresses = missing.map(({ target }) => target.address)
  }
}

function dialTargets(targets: readonly Target[], { port, signal }: HostDialRequest, options: HostDialOptions) {
  const { timeouts, attemptDelayMs, monotonic } = options
  return dial({ targets, port, timeouts, attemptDelayMs, signal, monotonic })
}

/** What a session at the address came to: greeted is what counts, a connection alone may be a tar pit's. */
export function learnOfSession(
  at: { readonly address: string; readonly port: number; readonly pool: string | undefined },
  cause: DeliveryCause | undefined,
  { dead, now }: HostDialOptions,
): void {
  if (cause !== undefined && isDeath(cause)) dead.died(placeOf(at), { cause, at: now() })
  else if (cause?.kind !== 'stopped') dead.answered(placeOf(at))
}

function told(
  failures: readonly DialFailure<Target>[],
  { port, pool }: HostDialRequest,
  { dead, now }: HostDialOptions,
): readonly FailedAddress[] {
  const at = now()
  return failures.map(({ target: { address }, problem: cause, durationMs }) => {
    if (isDeath(cause)) dead.died(placeOf({ address, port, pool }), { cause, at })
    return { address, cause, at, durationMs, remembered: false }
  })
}

function isSourceMissing({ target, problem }: DialFailure<Target>): boolean {
  return target.source !== undefined && problem.kind === 'connect-failed' && problem.code === NO_SUCH_ADDRESS
}

/** What the system says of a local address that it does not have. */
const NO_SUCH_ADDRESS = 'EADDRNOTAVAIL'

function setAside({ source }: Target, { sources, onSourceMissing }: HostDialOptions): void {
  if (source === undefined) return
  sources.setAside(source)
  onSourceMissing(source)
}

function targetsOf(
  { addresses, port, pool, evenDead }: HostDialRequest,
  { dead, sources, now }: HostDialOptions,
): { readonly targets: readonly Target[]; readonly others: readonly FailedAddress[] } {
  const targets: Target[] = []
  const others: FailedAddress[] = []
  for (const address of addresses) {
    const choice = sources.choose(pool, familyOf(address))
    const death = evenDead || choice.kind === 'none' ? undefined : dead.passBy(placeOf({ address, port, pool }))
    if (choice.kind === 'none') {
      const cause = { kind: 'connect-failed', code: NO_SUCH_ADDRESS } as const
      others.push({ address, cause, at: now(), durationMs: 0, remembered: false })
    } else if (death !== undefined) others.push({ address, ...death, durationMs: 0, remembered: true })
    else if (choice.kind === 'any') targets.push({ address })
    else targets.push({ address, localAddress: choice.source.address, source: choice.source })
  }
  return { targets, others }
}
