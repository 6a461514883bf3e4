/**
 * What follows when nobody of a next hop could be talked to: one reason for the whole batch, one event, and a rest for
 * the lane when the trouble may pass (SMTP-55). Our own trouble charges no attempt.
 */
import type { TurnEnd } from '../schedule/lane-scheduler.ts'
import { laneBackoffMs } from '../schedule/retry-schedule.ts'
import type { ClaimProgress } from './claim-progress.ts'
import type { Done } from './give-back.ts'
import { type KeepingTurn, keepBack } from './keep-back.ts'
import { type DeliveryProblem, isOurTroubleWithDns } from './outcome.ts'
import { isPolicyFailure, isRefusedLogin, loginAnswer } from './problem.ts'
import { nextHopName, type TurnState } from './turn-state.ts'

interface Trouble {
  readonly state: TurnState
  readonly problem: DeliveryProblem
}

/** Nobody could be talked to: the whole batch has one reason, and the lane rests when it may pass. */
export async function nextHopFailed(
  pending: Set<ClaimProgress>,
  done: Done,
  { state, problem }: Trouble,
): Promise<TurnEnd | undefined> {
  const { world, id } = state
  if (isOurTroubleWithDns(problem.cause)) return dnsOutOfReach(pending, done, { state, problem })
  if (isRefusedLogin(problem)) {
    const until = world.logins.refused(id, loginAnswer(problem))
    return keepBack({ pending, done }, keeping(state), { problem, until })
  }
  const messages = pending.size
  for (const progress of [...pending]) {
    progress.conclude(problem)
    done(progress)
  }
  // A policy is the domain's, a login the lane's: they say nothing about the site, which others share (SMTP-62).
  // What is remembered was said of it when it happened.
  const isOfSite = !isPolicyFailure(problem.cause) && problem.cause.kind !== 'login-failed' && !problem.remembered
  if (isOfSite) state.feedback = 'failed'
  const nextHop = nextHopName(state)
  // What keeps REQUIRETLS messages back says nothing about others.
  const oneWish = problem.cause.kind === 'tls-policy' && problem.cause.requireTls !== undefined
  if (problem.permanence === 'permanent' || oneWish) {
    world.emit({ event: 'next-hop-failed', lane: id, nextHop, problem, messages })
    return undefined
  }
  const failures = world.health.failed(id)
  const backoffUntil = world.now() + laneBackoffMs({ failures, chance: world.random() })
  world.emit({ event: 'next-hop-failed', lane: id, nextHop, problem, messages, backoffUntil })
  return { kind: 'backoff', until: backoffUntil }
}

/** While nobody answers us, or validates; a minute later, and lane by lane, it is asked again. */
function dnsOutOfReach(pending: Set<ClaimProgress>, done: Done, { state, problem }: Trouble): Promise<TurnEnd> {
  const { world } = state
  const until = world.now() + laneBackoffMs({ failures: 1, chance: world.random() })
  return keepBack({ pending, done }, keeping(state), { problem, until })
}

function keeping(state: TurnState): KeepingTurn {
  const { id, settler, world } = state
  const { now, emit } = world
  return { id, settler, nextHop: nextHopName(state), notices: world.settler.notices, now: now(), emit }
}
