/**
 * When mail goes to a fallback relay: after a destination could not be reached, and never after a policy kept it back, but
 * where the operator says so for that relay (conformance STS-111, D-17). Pure.
 *
 * A refusal of the mail itself, for now or for good, is an answer of somebody who was reached.
 */
import type { DeliveryCause, DeliveryProblem } from './outcome.ts'
import type { FallbackUse } from './route.ts'

export interface Known {
  /** What decides. */
  readonly problem: DeliveryProblem
  /** All that was noted in this attempt: one host that a policy kept us from is enough. */
  readonly met: readonly DeliveryProblem[]
  /** Of the attempt before: who can cut a connection must not get what a policy protected a moment ago. */
  readonly before: DeliveryProblem | undefined
}

export function mayFallBack({ problem, met, before }: Known, use: FallbackUse): boolean {
  if (problem.permanence !== 'transient') return false
  const all = [problem, ...met, ...(before === undefined ? [] : [before])]
  const kept = all.some(({ cause }) => isKeptByPolicy(cause))
  if (kept && use === 'unreachable') return false
  return isUnreachable(problem) || isKeptByPolicy(problem.cause)
}

/** Of mail that is found at a fallback. */
export function handedOver(last: DeliveryProblem | undefined, use: FallbackUse): boolean {
  return last !== undefined && mayFallBack({ problem: last, met: [], before: undefined }, use)
}

/** Of a fallback: it lacks what the message needs, or has not proven what the message demands. */
export function turnsBack({ cause }: DeliveryProblem): boolean {
  return cause.kind === 'extension-missing' || cause.kind === 'too-large' || isKeptByPolicy(cause)
}

/** Whoever wrote it: the destination, the operator or the sender. */
export function isKeptByPolicy(cause: DeliveryCause): boolean {
  return cause.kind === 'tls-policy' || cause.kind === 'policy-unavailable'
}

function isUnreachable({ cause, scope, fault }: DeliveryProblem): boolean {
  switch (cause.kind) {
    case 'connect-failed':
      return fault !== 'local-configuration'
    case 'timeout':
    case 'connection-lost':
    case 'protocol-violation':
    case 'hosts-left':
      return true
    case 'dns-failure':
      return cause.ours !== true
    case 'reply':
      return scope === 'host'
    default:
      return false
  }
}
