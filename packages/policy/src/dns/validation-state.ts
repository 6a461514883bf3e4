/**
 * Is DNSSEC there, and what follows for DANE when it is not? (architecture, decision 6; RFC 7672 §2.1.1, §2.1.2.) Pure.
 *
 * The start decides, and nothing later turns DANE off: what fails from then on is a lookup that failed. A relay that
 * once delivered with DANE does not deliver without it because a validator is missing after a restart.
 */
import type { SelfTestProblem } from './self-test-problem.ts'
import type { NotBelieved, ValidatorKind } from './trust.ts'
import type { UnboundProblem } from './unbound-problem.ts'

export type DaneSetting = boolean | 'auto'

export type DnssecState =
  | { readonly kind: 'validating'; readonly by: ValidatorKind }
  /** DANE is off until the next start; answers are insecure. */
  | { readonly kind: 'off'; readonly because: OffBecause }
  /** Nobody can say what is secure: insecure answers count as failed lookups. */
  | {
      readonly kind: 'lost'
      readonly because: readonly ValidatorProblem[]
      /** UTC milliseconds. */
      readonly since: number
      /** `held`: since the start; nothing is even tried. */
      readonly delivery: 'tried' | 'held'
    }

export type OffBecause =
  | { readonly kind: 'disabled' }
  | { readonly kind: 'no-validator'; readonly problems: readonly ValidatorProblem[] }

/** Why one candidate does not vouch for DNSSEC. */
export type ValidatorProblem =
  | { readonly candidate: 'servers'; readonly problem: SelfTestProblem | { readonly kind: NotBelieved } }
  | { readonly candidate: 'private-unbound'; readonly problem: SelfTestProblem | UnboundProblem }

/** Whether somebody was found who validates. */
export type Validation =
  | { readonly kind: 'validates'; readonly by: ValidatorKind }
  | { readonly kind: 'nobody'; readonly because: readonly ValidatorProblem[] }

export interface StartFacts {
  readonly enabled: DaneSetting
  /** An earlier run on this data_dir delivered with DANE. */
  readonly remembered: boolean
  readonly validation: Validation
  /** UTC milliseconds. */
  readonly at: number
}

export function startState({ enabled, remembered, validation, at }: StartFacts): DnssecState {
  if (enabled === false) return { kind: 'off', because: { kind: 'disabled' } }
  if (validation.kind === 'validates') return { kind: 'validating', by: validation.by }
  const { because } = validation
  if (enabled === 'auto' && !remembered) return { kind: 'off', because: { kind: 'no-validator', problems: because } }
  return { kind: 'lost', because, since: at, delivery: 'held' }
}

export function nextState(state: DnssecState, validation: Validation, at: number): DnssecState {
  if (state.kind === 'off') return state
  if (validation.kind === 'validates') return { kind: 'validating', by: validation.by }
  const { because } = validation
  if (state.kind === 'lost') return { ...state, because }
  return { kind: 'lost', because, since: at, delivery: 'tried' }
}

/** What the data_dir shall remember: DANE is on from the first validation until the operator says otherwise. */
export function memoryOf(state: DnssecState): 'on' | 'off' | 'unchanged' {
  if (state.kind === 'validating') return 'on'
  return state.kind === 'off' && state.because.kind === 'disabled' ? 'off' : 'unchanged'
}
