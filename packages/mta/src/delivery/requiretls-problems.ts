/** What hosts could not do for a REQUIRETLS message, between the problems that delivery notes and the table of RFC 8689 §4.2.1. Pure. */
import { type RequireTlsFailure, requireTlsFailure, requireTlsOutcome } from '@hermetic/policy'
import type { DeliveryProblem } from './outcome.ts'

const NOT_OFFERED = requireTlsFailure({ kind: 'not-offered' })
const TRANSIENT = requireTlsFailure({ kind: 'transient' })

/** What is permanent for another reason than REQUIRETLS decides by itself. */
export function requireTlsFailures(problems: readonly DeliveryProblem[]): readonly RequireTlsFailure[] {
  return problems.flatMap(({ cause, permanence }) => {
    if (cause.kind === 'tls-policy' && cause.requireTls !== undefined) return [cause.requireTls]
    if (cause.kind === 'extension-missing' && cause.extension === 'REQUIRETLS') return [NOT_OFFERED]
    return permanence === 'transient' ? [TRANSIENT] : []
  })
}

/**
 * The problem that tells why a REQUIRETLS message comes back: that no server supports it says more than that one of
 * them could not be proven (RTLS-29).
 */
export function tellingProblem(problems: readonly DeliveryProblem[]): DeliveryProblem | undefined {
  const outcome = requireTlsOutcome(requireTlsFailures(problems), { reversePath: 'address' })
  return outcome.kind === 'bounce' ? problems.findLast(({ status }) => status === outcome.status) : undefined
}
