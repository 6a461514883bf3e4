/** Where DNSSEC stands, in one sentence for operators: readiness, `status` and `doctor` say the same. Pure. */
import {
  assertNever,
  type DnssecState,
  type ValidatorKind,
  type ValidatorProblem,
  validatorProblemText,
} from '@hermetic/policy'

const VALIDATORS: Readonly<Record<ValidatorKind, string>> = {
  configured: 'the name servers, as dns.trust = "ad" says',
  'private-unbound': 'an unbound of our own',
  'loopback-resolver': 'the resolver on this machine, which is believed because it is here',
}

export function dnssecText(state: DnssecState): string {
  switch (state.kind) {
    case 'validating':
      return `DNSSEC is validated by ${VALIDATORS[state.by]}`
    case 'off':
      return state.because.kind === 'disabled'
        ? 'DANE is off: dane.enabled is false'
        : `DANE is off until the next start: nobody validates DNSSEC (${problemsText(state.because.problems)})`
    case 'lost':
      return state.delivery === 'held'
        ? `no mail is delivered: DANE is on, and nobody validates DNSSEC (${problemsText(state.because)})`
        : `nobody validates DNSSEC now (${problemsText(state.because)}): mail waits unless its answers are secure`
    default:
      return assertNever(state)
  }
}

function problemsText(problems: readonly ValidatorProblem[]): string {
  return problems.map(validatorProblemText).join('; ')
}
