import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type DaneSetting,
  type DnssecState,
  memoryOf,
  nextState,
  startState,
  type Validation,
  type ValidatorProblem,
} from './validation-state.ts'

const NOT_INSTALLED: ValidatorProblem = { candidate: 'private-unbound', problem: { kind: 'not-installed' } }
const REMOTE: ValidatorProblem = { candidate: 'servers', problem: { kind: 'remote-resolver' } }
const VALIDATES: Validation = { kind: 'validates', by: 'private-unbound' }
const NOBODY: Validation = { kind: 'nobody', because: [NOT_INSTALLED, REMOTE] }
const VALIDATING: DnssecState = { kind: 'validating', by: 'private-unbound' }
const DISABLED: DnssecState = { kind: 'off', because: { kind: 'disabled' } }
const OFF: DnssecState = { kind: 'off', because: { kind: 'no-validator', problems: [NOT_INSTALLED, REMOTE] } }
const HELD: DnssecState = { kind: 'lost', because: [NOT_INSTALLED, REMOTE], since: 1_000, delivery: 'held' }
const TRIED: DnssecState = { kind: 'lost', because: [NOT_INSTALLED, REMOTE], since: 1_000, delivery: 'tried' }

interface StartRow {
  readonly enabled: DaneSetting
  readonly remembered: boolean
  readonly found: Validation
  readonly state: DnssecState
  readonly why: string
}

const START: readonly StartRow[] = [
  { enabled: 'auto', remembered: false, found: VALIDATES, state: VALIDATING, why: 'DANE begins' },
  { enabled: 'auto', remembered: true, found: VALIDATES, state: VALIDATING, why: 'DANE goes on' },
  { enabled: 'auto', remembered: false, found: NOBODY, state: OFF, why: 'a first start goes without' },
  { enabled: 'auto', remembered: true, found: NOBODY, state: HELD, why: 'what was on is not off because of a restart' },
  { enabled: true, remembered: false, found: VALIDATES, state: VALIDATING, why: 'DANE begins' },
  { enabled: true, remembered: true, found: VALIDATES, state: VALIDATING, why: 'DANE goes on' },
  { enabled: true, remembered: false, found: NOBODY, state: HELD, why: 'the operator wants it' },
  { enabled: true, remembered: true, found: NOBODY, state: HELD, why: 'the operator wants it' },
  { enabled: false, remembered: false, found: VALIDATES, state: DISABLED, why: 'the operator does not want it' },
  { enabled: false, remembered: true, found: VALIDATES, state: DISABLED, why: 'nor any more' },
  { enabled: false, remembered: false, found: NOBODY, state: DISABLED, why: 'then nobody is missed' },
  { enabled: false, remembered: true, found: NOBODY, state: DISABLED, why: 'only this word ends the memory' },
]

describe('architecture, decision 6: the start', () => {
  for (const { enabled, remembered, found, state, why } of START) {
    test(`dane.enabled ${enabled}, ${remembered ? 'on before' : 'new'}, ${found.kind}: ${state.kind} (${why})`, () => {
      assert.deepEqual(startState({ enabled, remembered, validation: found, at: 1_000 }), state)
    })
  }
})

const LATER: readonly (readonly [from: DnssecState, found: Validation, to: DnssecState, why: string])[] = [
  [VALIDATING, VALIDATES, VALIDATING, 'nothing happened'],
  [VALIDATING, NOBODY, { ...TRIED, since: 2_000 }, 'lookups fail from now on'],
  [TRIED, NOBODY, TRIED, 'since when, stays'],
  [TRIED, VALIDATES, VALIDATING, 'it is back'],
  [HELD, NOBODY, HELD, 'still nothing is delivered'],
  [HELD, VALIDATES, VALIDATING, 'it is back, and what was held goes'],
  [OFF, VALIDATES, OFF, 'only a start decides'],
  [OFF, NOBODY, OFF, 'only a start decides'],
  [DISABLED, VALIDATES, DISABLED, 'only the operator decides'],
  [DISABLED, NOBODY, DISABLED, 'only the operator decides'],
]

describe('architecture, decision 6: later', () => {
  for (const [from, found, to, why] of LATER) {
    const delivery = from.kind === 'lost' ? ` (${from.delivery})` : ''
    test(`${from.kind}${delivery}, then ${found.kind}: ${to.kind} (${why})`, () => {
      assert.deepEqual(nextState(from, found, 2_000), to)
    })
  }

  test('the reason of a loss is the latest one', () => {
    const state = nextState(TRIED, { kind: 'nobody', because: [REMOTE] }, 2_000)
    assert.deepEqual(state, { ...TRIED, because: [REMOTE] })
  })

  test('whatever happens, DANE that was on is never off again, and DANE that was off never on', () => {
    const validations = fc.array(fc.constantFrom(VALIDATES, NOBODY), { maxLength: 30 })
    const settings = fc.constantFrom<DaneSetting>('auto', true, false)
    fc.assert(
      fc.property(settings, fc.boolean(), validations, (enabled, remembered, [found = NOBODY, ...later]) => {
        const first = startState({ enabled, remembered, validation: found, at: 0 })
        const states = [first]
        for (const validation of later) states.push(nextState(states.at(-1) ?? first, validation, states.length))
        assert.ok(states.every(({ kind }) => (kind === 'off') === (first.kind === 'off')))
        // What has begun to deliver does not go back to holding.
        const begun = states.findIndex(({ kind }) => kind === 'validating')
        const held = states.findLastIndex((state) => state.kind === 'lost' && state.delivery === 'held')
        assert.ok(begun === -1 || held < begun)
      }),
    )
  })
})

test('the data_dir remembers validation, forgets on the word of the operator, and nothing else changes it', () => {
  assert.equal(memoryOf(VALIDATING), 'on')
  assert.equal(memoryOf(DISABLED), 'off')
  for (const state of [OFF, HELD, TRIED]) assert.equal(memoryOf(state), 'unchanged')
})
