/** What `doctor` says of DNSSEC: who validates, and what a start without a validator would do. Pure. */
import type { DnssecState, OffBecause, ValidatorProblem } from '@hermetic/policy'
import { dnssecText } from '../../admin/dnssec-text.ts'
import type { DnssecFacts } from './facts.ts'
import type { Finding } from './finding.ts'

const INSTALL = 'install unbound (Debian: apt install unbound), or name validating resolvers and write dns.trust = "ad"'
/** It runs, and hears nothing from the root, or nothing that validates. */
const REACH =
  'let this machine ask the servers of the Internet at port 53 (UDP and TCP), or name resolvers in [dns] servers, which unbound then asks'

export function assessDnssec(facts: DnssecFacts): readonly Finding[] {
  const check = 'DNSSEC'
  if (facts.kind === 'not-tried') return [{ check, grade: 'not-tried', found: 'there is no name server' }]
  const { state, wouldHold } = facts
  const found = dnssecText(state)
  if (state.kind === 'validating') {
    if (state.by !== 'loopback-resolver') return [{ check, grade: 'ok', found }]
    const advice = 'when it validates for this machine alone, write dns.trust = "ad"; else install unbound'
    return [{ check, grade: 'warn', found, advice }]
  }
  if (state.kind === 'off' && state.because.kind === 'disabled') return [{ check, grade: 'ok', found }]
  const what = isUnboundAlone(state) ? REACH : INSTALL
  if (!wouldHold) return [{ check, grade: 'warn', found, advice: `${what}; then restart the relay` }]
  const advice = `${what}; dane.enabled = false delivers without`
  return [{ check, grade: 'fail', found: `${found}; a relay that starts now holds its mail`, advice }]
}

/** An unbound of our own runs, but from here it cannot see the signed tree. */
function isUnboundAlone(state: Exclude<DnssecState, { readonly kind: 'validating' }>): boolean {
  const problems = state.kind === 'lost' ? state.because : problemsOf(state.because)
  return problems.some(
    ({ candidate, problem }) =>
      candidate === 'private-unbound' && (problem.kind === 'no-answer' || problem.kind === 'does-not-validate'),
  )
}

function problemsOf(because: OffBecause): readonly ValidatorProblem[] {
  return because.kind === 'no-validator' ? because.problems : []
}
