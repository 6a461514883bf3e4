import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DnssecState } from '@hermetic/policy'
import { assessDnssec } from './assess-dnssec.ts'
import type { Grade } from './finding.ts'

const NOBODY: DnssecState = {
  kind: 'off',
  because: {
    kind: 'no-validator',
    problems: [
      { candidate: 'private-unbound', problem: { kind: 'too-old', version: '1.9.0', oldest: '1.13' } },
      { candidate: 'servers', problem: { kind: 'remote-resolver' } },
    ],
  },
}

const UNHEARD: DnssecState = {
  kind: 'off',
  because: {
    kind: 'no-validator',
    problems: [
      {
        candidate: 'private-unbound',
        problem: { kind: 'no-answer', server: { address: '127.0.0.1', port: 4053 }, reason: { kind: 'timeout' } },
      },
    ],
  },
}

interface Row {
  readonly rule: string
  readonly state: DnssecState
  readonly wouldHold?: boolean
  readonly grade: Grade
  readonly found: RegExp
  readonly advice?: RegExp
}

const TABLE: readonly Row[] = [
  {
    ...{ rule: 'name servers that the operator believes', state: { kind: 'validating', by: 'configured' } },
    ...{ grade: 'ok', found: /by the name servers, as dns\.trust = "ad" says/ },
  },
  {
    ...{ rule: 'an unbound of our own', state: { kind: 'validating', by: 'private-unbound' } },
    ...{ grade: 'ok', found: /an unbound of our own/ },
  },
  {
    ...{ rule: 'a resolver that happens to be here', state: { kind: 'validating', by: 'loopback-resolver' } },
    ...{ grade: 'warn', found: /because it is here/, advice: /dns\.trust = "ad"/ },
  },
  {
    ...{ rule: 'DANE switched off', state: { kind: 'off', because: { kind: 'disabled' } } },
    ...{ grade: 'ok', found: /dane\.enabled is false/ },
  },
  {
    ...{ rule: 'nobody, at a first start', state: NOBODY, grade: 'warn' },
    ...{ found: /unbound 1\.9\.0 is too old: 1\.13 .*not on this machine/, advice: /apt install unbound.*restart/ },
  },
  {
    ...{ rule: 'an unbound that hears nothing from the root', state: UNHEARD, grade: 'warn' },
    ...{ found: /did not answer for the root/, advice: /^let this machine ask .* port 53 .*\[dns\] servers.*restart/ },
  },
  {
    ...{ rule: 'nobody, where DANE was on', state: NOBODY, wouldHold: true, grade: 'fail' },
    ...{ found: /holds its mail/, advice: /dane\.enabled = false/ },
  },
]

describe('DNSSEC as doctor tells it', () => {
  for (const { rule, state, wouldHold = false, grade, found, advice } of TABLE) {
    test(rule, () => {
      const [finding, ...others] = assessDnssec({ kind: 'decided', state, wouldHold })
      assert.equal(others.length, 0)
      assert.equal(finding?.grade, grade)
      assert.match(finding?.found ?? '', found)
      if (advice === undefined) assert.equal(finding?.advice, undefined)
      else assert.match(finding?.advice ?? '', advice)
    })
  }

  test('without a name server nothing can be tried', () => {
    assert.equal(assessDnssec({ kind: 'not-tried' })[0]?.grade, 'not-tried')
  })
})
