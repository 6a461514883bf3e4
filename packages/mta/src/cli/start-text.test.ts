import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DnssecState } from '@hermetic/policy'
import { loadConfig } from '../config/load.ts'
import { startText } from './start-text.ts'

const BECAUSE = [{ candidate: 'private-unbound', problem: { kind: 'not-installed' } }] as const

function told(state: DnssecState | undefined): readonly string[] {
  const config = loadConfig({ env: {} })
  assert.ok(config.ok)
  const text = startText(config.value, {
    relay: {
      listeners: [],
      metricsPort: 9125,
      apiPort: undefined,
      nameServers: undefined,
      dnssec: { state: () => state },
      waiting: 0,
    },
    ...{ login: undefined, isTry: false, file: undefined, version: '0', node: '26.12.1', colours: false },
    workingDirectory: '/',
  })
  return text.split('\n').map((line) => line.trim().replace(/ {2,}/, ' '))
}

for (const [what, state, line, demanding] of [
  [
    'who validates is told',
    { kind: 'validating', by: 'private-unbound' },
    'dnssec DNSSEC is validated by an unbound of our own',
    'as MTA-STS and DANE policies demand',
  ],
  [
    'so is why DANE is off',
    { kind: 'off', because: { kind: 'no-validator', problems: BECAUSE } },
    'off DANE is off until the next start: nobody validates DNSSEC',
    'as MTA-STS policies demand',
  ],
  [
    'a relay that holds its mail does not look like one that delivers',
    { kind: 'lost', because: BECAUSE, since: 0, delivery: 'held' },
    'warning no mail is delivered: DANE is on, and nobody validates DNSSEC',
    'as MTA-STS and DANE policies demand',
  ],
] as const satisfies readonly (readonly [string, DnssecState, string, string])[]) {
  test(`at the start: ${what}`, () => {
    const lines = told(state)
    assert.ok(
      lines.some((one) => one.startsWith(line)),
      lines.join('\n'),
    )
    assert.ok(
      lines.some((one) => one.endsWith(demanding)),
      lines.join('\n'),
    )
  })
}

test('at the start: nothing is said of DNSSEC where name servers are not asked', () => {
  assert.deepEqual(
    told(undefined).filter((line) => /DNSSEC|DANE/.test(line)),
    [],
  )
})
