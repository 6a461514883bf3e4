/**
 * Connects to hosts as delivery does, up to the verdict, and leaves again with QUIT: no MAIL, no login.
 *
 * `openSession` is delivery's own, with its fallbacks and its order of steps; only its waits are shorter. A few
 * addresses at the same time, not more than a bound in all, and nothing after the deadline.
 */
import type { ProofRequirement, SessionFacts } from '@hermetic/policy'
import { familyOf } from '../delivery/dial-order.ts'
import { type LaneId, laneOf } from '../delivery/lane.ts'
import type { RouteAccess } from '../delivery/route.ts'
import { openSession, type SessionOptions } from '../delivery/session.ts'
import type { SessionTarget } from '../delivery/session-target.ts'
import type { SourceAddresses } from '../delivery/source-address.ts'
import type { SmtpTimeouts } from '../smtp/timeouts.ts'
import { obstacleOf } from './obstacle.ts'

export interface ProbeTarget {
  readonly mxHostname: string
  readonly servername: SessionTarget['servername']
  readonly address: string
  readonly requirement: ProofRequirement
}

export interface ProbeOptions {
  readonly lane: LaneId
  readonly port: number
  readonly policyDomain: string
  readonly access?: RouteAccess | undefined
  readonly session: Pick<SessionOptions, 'hostname' | 'ca' | 'timeouts'>
  readonly sources: SourceAddresses
  readonly deadline: AbortSignal
  /** UTC milliseconds. */
  readonly now: () => number
}

export const ADDRESSES_MAX = 24
const AT_ONCE_MAX = 6
/** A person waits: what takes longer is slow, and is told as that. */
const STEP_MS_MAX = 10_000
const QUIT_MS = 1_000
const NO_SOURCE = { kind: 'connect-failed', code: 'EADDRNOTAVAIL' } as const

/** One for each target, in their order. */
export async function probe(targets: readonly ProbeTarget[], options: ProbeOptions): Promise<readonly SessionFacts[]> {
  const found = new Map<ProbeTarget, SessionFacts>()
  const waiting = targets.slice(0, ADDRESSES_MAX).values()
  const worker = async (): Promise<void> => {
    for (const target of waiting) found.set(target, await probeOne(target, options))
  }
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, worker))
  return targets.map((target) => {
    const { address } = target
    return found.get(target) ?? { address, kind: 'not-tried', because: 'limit' }
  })
}

async function probeOne(target: ProbeTarget, options: ProbeOptions): Promise<SessionFacts> {
  const { deadline, port, lane, policyDomain } = options
  const { mxHostname, address, servername, requirement } = target
  if (deadline.aborted) return { address, kind: 'not-tried', because: 'deadline' }
  const choice = options.sources.choose(laneOf(lane).pool, familyOf(address))
  if (choice.kind === 'none')
    return { address, kind: 'no-channel', obstacle: obstacleOf(NO_SOURCE, { at: options.now(), lane }) }
  const { source } = choice.kind === 'source' ? choice : {}
  const where: SessionTarget = {
    ...{ lane, servername, policyDomain, requirement, source },
    remote: { mxHostname, address, port },
    ...withoutLogin(options.access),
  }
  let judged: (SessionFacts & { readonly kind: 'judged' }) | undefined
  const opened = await openSession(
    where,
    sessionOptions(options, (facts) => (judged = { address, ...facts })),
    { signal: deadline },
  )
  if (opened.ok) await opened.value.connection.quit()
  if (opened.ok || judged?.verdict.kind === 'failed')
    return judged ?? { address, kind: 'not-tried', because: 'deadline' }
  const stopped = opened.error.kind === 'stopped'
  if (judged !== undefined)
    return stopped ? judged : { ...judged, trouble: obstacleOf(opened.error, { at: options.now(), lane }) }
  if (stopped) return { address, kind: 'not-tried', because: 'deadline' }
  return { address, kind: 'no-channel', obstacle: obstacleOf(opened.error, { at: options.now(), lane }) }
}

type Judged = Pick<SessionFacts & { readonly kind: 'judged' }, 'kind' | 'channel' | 'verdict' | 'results'>

function sessionOptions({ session, now }: ProbeOptions, onJudged: (facts: Judged) => void): SessionOptions {
  return {
    ...{ ...session, now },
    timeouts: patient(session.timeouts),
    now,
    onFallback: () => undefined,
    onLoginFailed: () => undefined,
    onJudged: (_, results, { channel, verdict }) => onJudged({ kind: 'judged', channel, verdict, results }),
  }
}

function patient(timeouts: SmtpTimeouts): SmtpTimeouts {
  const shorter = Object.entries(timeouts).map(([step, ms]) => [step, Math.min(ms, STEP_MS_MAX)])
  return { ...timeouts, ...Object.fromEntries(shorter), quitMs: Math.min(timeouts.quitMs, QUIT_MS) }
}

/** How TLS begins is the route's; its credentials are for mail. */
function withoutLogin(access: RouteAccess | undefined): Pick<SessionTarget, 'access'> {
  return access === undefined ? {} : { access: { tls: access.tls } }
}
