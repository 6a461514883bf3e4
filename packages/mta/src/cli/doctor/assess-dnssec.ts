/** What `doctor` says of DNSSEC: who validates, and what a start without a validator would do. Pure. */
import { dnssecText } from '../../admin/dnssec-text.ts'
import type { DnssecFacts } from './facts.ts'
import type { Finding } from './finding.ts'

const INSTALL = 'install unbound (Debian: apt install unbound), or name validating resolvers and write dns.trust = "ad"'

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
  if (!wouldHold) return [{ check, grade: 'warn', found, advice: `${INSTALL}; then restart the relay` }]
  const advice = `${INSTALL}; dane.enabled = false delivers without`
  return [{ check, grade: 'fail', found: `${found}; a relay that starts now holds its mail`, advice }]
}
