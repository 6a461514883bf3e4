/** Why nobody vouches for DNSSEC, in words: for readiness, `doctor`, the log and the failed lookup itself. Pure. */
import { assertNever } from '../result.ts'
import type { DnsFailureReason } from './answer.ts'
import { extendedErrorText } from './extended-error.ts'
import type { SelfTestProblem } from './self-test-problem.ts'
import type { NameServer } from './transport.ts'
import type { NotBelieved } from './trust.ts'
import type { UnboundProblem } from './unbound-problem.ts'
import type { ValidatorProblem } from './validation-state.ts'

export function validatorProblemText(of: ValidatorProblem): string {
  if (of.candidate === 'servers') return serversText(of.problem)
  const { problem } = of
  switch (problem.kind) {
    case 'does-not-validate':
    case 'no-answer':
      return `the private unbound: ${selfTestText(problem)}`
    default:
      return unboundText(problem)
  }
}

function serversText(problem: SelfTestProblem | { readonly kind: NotBelieved }): string {
  switch (problem.kind) {
    case 'trust-is-none':
      return 'dns.trust is "none"'
    case 'remote-resolver':
      return 'the name servers are not on this machine, and dns.trust does not say "ad"'
    case 'forwarding-stub':
      return 'the name server on this machine only passes on what others claim, and dns.trust does not say "ad"'
    default:
      return selfTestText(problem)
  }
}

function selfTestText(problem: SelfTestProblem): string {
  switch (problem.kind) {
    case 'does-not-validate':
      return `${serverText(problem.server)} does not validate: no AD bit on the SOA record of the root`
    case 'no-answer':
      return `${serverText(problem.server)} did not answer for the root: ${reasonText(problem.reason)}`
    default:
      return assertNever(problem)
  }
}

function unboundText(problem: UnboundProblem): string {
  switch (problem.kind) {
    case 'not-installed':
      return 'unbound is not installed'
    case 'too-old':
      return `unbound ${problem.version} is too old: ${problem.oldest} or newer is needed`
    case 'no-version':
      return `${problem.program} does not tell its version as unbound does`
    case 'directory':
      return `${problem.path} cannot be used for unbound (${problem.code})`
    case 'anchors-damaged':
      return `${problem.path} holds no key of the root`
    case 'cannot-run':
      return `${problem.program} cannot be run (${problem.code})`
    case 'ended': {
      const how = problem.signal === null ? `with code ${problem.code ?? 'unknown'}` : `by ${problem.signal}`
      return `unbound ended ${how}${words(problem.lastWords)}`
    }
    case 'silent':
      return `unbound does not answer${words(problem.lastWords)}`
    default:
      return assertNever(problem)
  }
}

function words(lastWords: string): string {
  return lastWords === '' ? '' : `: ${lastWords}`
}

function serverText({ address, port }: NameServer): string {
  return port === 53 ? address : `${address} port ${port}`
}

function reasonText(reason: DnsFailureReason): string {
  switch (reason.kind) {
    case 'timeout':
      return 'no answer in time'
    case 'network':
      return reason.code
    case 'rcode':
      return reason.extendedError === undefined
        ? reason.rcode
        : `${reason.rcode}, ${extendedErrorText(reason.extendedError)}`
    case 'malformed':
    case 'unvalidated':
      return reason.detail
    case 'cname-chain':
      return 'a chain of aliases'
    default:
      return assertNever(reason)
  }
}
