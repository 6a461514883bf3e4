/** Conformance, Table C: one test for each row, as far as values can tell. What travels is tested in `test/scenarios/`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  authenticated,
  brokenTls,
  byInsecureMx,
  bySecureMx,
  clear,
  DANE,
  expired,
  mismatched,
  mxHostname,
  named,
  noMatch,
  notOffered,
  refusedTls,
  selfSigned,
  tls,
  trusted,
  unnamed,
  withoutMx,
} from './decision.fixture.ts'
import { type RequirementFacts, tlsRequirement } from './requirement.ts'
import {
  messageTls,
  type RequireTlsFailure,
  type RequireTlsOutcome,
  requireTlsFailure,
  requireTlsOutcome,
  tlsOptionalOutcome,
} from './requiretls.ts'
import { sessionResults } from './session-result.ts'
import { type Channel, judge, type Verdict } from './verdict.ts'

/** One host: what is known of it, what it shows, and whether its EHLO inside TLS lists REQUIRETLS. */
interface Host {
  readonly facts: Partial<RequirementFacts>
  readonly channel?: Channel
  readonly lists?: boolean
}

/** What becomes of the message at this host alone. */
function end({ facts, channel = tls(), lists = true }: Host): 'sent' | RequireTlsFailure {
  const message = facts.message ?? 'requiretls'
  const requirement = tlsRequirement({ local: 'nothing', mxHostname, origin: bySecureMx, ...facts, message })
  if (requirement.kind === 'unreachable') return requireTlsFailure(requirement)
  const verdict = judge(requirement, channel)
  if (verdict.kind === 'failed') {
    return requireTlsFailure({ kind: 'failed', requirement, channel, reasons: verdict.reasons })
  }
  return lists ? 'sent' : requireTlsFailure({ kind: 'not-offered' })
}

/** After all hosts; 'sent' when one of them takes it. */
function outcome(...hosts: readonly (Host | 'no connection')[]): 'sent' | RequireTlsOutcome {
  const ends = hosts.map((host) => (host === 'no connection' ? requireTlsFailure({ kind: 'transient' }) : end(host)))
  const failures = ends.filter((one) => one !== 'sent')
  return failures.length < ends.length ? 'sent' : requireTlsOutcome(failures, { reversePath: 'address' })
}

const bounce = (status: '5.7.10' | '5.7.30', policyFirst = false) => ({ kind: 'bounce', status, policyFirst }) as const
const DEFER = { kind: 'defer' } as const
const unsigned = { origin: byInsecureMx } as const
const good: Host = { facts: {} }
const silent: Host = { facts: {}, lists: false }

const rows: readonly (readonly [
  row: string,
  hosts: readonly (Host | 'no connection')[],
  'sent' | RequireTlsOutcome,
])[] = [
  ['1: name secure, certificate ok, listed', [good], 'sent'],
  ['2: not listed', [silent], bounce('5.7.30')],
  ['2: not listed, the next host lists it', [silent, good], 'sent'],
  ['3: STARTTLS missing', [{ facts: {}, channel: notOffered }], bounce('5.7.10')],
  ['3: STARTTLS refused', [{ facts: {}, channel: refusedTls }], bounce('5.7.10')],
  ['3: handshake fails', [{ facts: {}, channel: brokenTls }], bounce('5.7.10')],
  ['4: certificate not trusted', [{ facts: {}, channel: tls(selfSigned) }], bounce('5.7.10')],
  ['4: another name', [{ facts: {}, channel: tls(trusted, mismatched) }], bounce('5.7.10')],
  [
    '4: certificate fails at one host, another does not list it',
    [{ facts: {}, channel: tls(expired) }, silent],
    bounce('5.7.30'),
  ],
  ['5: unsigned MX, no policy', [{ facts: unsigned }], bounce('5.7.10')],
  [
    '5: unsigned MX, no policy, usable TLSA',
    [{ facts: { ...unsigned, dane: DANE['usable-insecure-mx'] } }],
    bounce('5.7.10'),
  ],
  [
    '5: unsigned MX, no policy, TLSA lookup failure',
    [{ facts: { ...unsigned, dane: DANE.failure } }],
    bounce('5.7.10'),
  ],
  ['6: unsigned MX, enforce', [{ facts: { ...unsigned, sts: named('enforce') } }], 'sent'],
  ['6: unsigned MX, testing', [{ facts: { ...unsigned, sts: named('testing') } }], 'sent'],
  [
    '6: unsigned MX, testing, PKIX not ok',
    [{ facts: { ...unsigned, sts: named('testing') }, channel: tls(expired) }],
    bounce('5.7.10'),
  ],
  ['6: unsigned MX, testing, not named', [{ facts: { ...unsigned, sts: unnamed('testing') } }], bounce('5.7.10')],
  ['7: unsigned MX, no policy in force', [{ facts: { ...unsigned, sts: undefined } }], bounce('5.7.10')],
  [
    '7: unsigned MX, whether there is a policy could not be learnt',
    [{ facts: { ...unsigned, stsUncertain: true } }],
    DEFER,
  ],
  ['8: no MX, certificate ok', [{ facts: { origin: withoutMx } }], 'sent'],
  ['8: no MX, another name', [{ facts: { origin: withoutMx }, channel: tls(trusted, mismatched) }], bounce('5.7.10')],
  ['9: TLSA lookup failure', [{ facts: { dane: DANE.failure } }], DEFER],
  ['10: no connection', ['no connection'], DEFER],
  [
    '10: the handshake does not end in time',
    [{ facts: {}, channel: { ...clear('handshake-failed'), failure: { kind: 'timeout' } } }],
    DEFER,
  ],
  ['11: a mixture', [silent, 'no connection'], DEFER],
  [
    '11: a mixture with a lookup failure',
    [{ facts: {}, channel: notOffered }, { facts: { dane: DANE.failure } }],
    DEFER,
  ],
  ['19: all TLSA unusable, PKIX ok', [{ facts: { dane: DANE.unusable } }], 'sent'],
  [
    '19: all TLSA unusable, PKIX not ok',
    [{ facts: { dane: DANE.unusable }, channel: tls(selfSigned) }],
    bounce('5.7.10'),
  ],
  [
    '20: usable TLSA mismatch, PKIX ok',
    [{ facts: { dane: DANE.usable }, channel: tls(trusted, undefined, noMatch) }],
    DEFER,
  ],
  [
    '20: usable TLSA mismatch, PKIX not ok',
    [{ facts: { dane: DANE.usable }, channel: tls(selfSigned, undefined, noMatch) }],
    bounce('5.7.10'),
  ],
  ['20: usable TLSA, STARTTLS missing', [{ facts: { dane: DANE.usable }, channel: notOffered }], bounce('5.7.10')],
  ['21: enforce, not named', [{ facts: { sts: unnamed('enforce') } }], bounce('5.7.10', true)],
  ['21: enforce, not named, TLSA lookup failure', [{ facts: { sts: unnamed('enforce'), dane: DANE.failure } }], DEFER],
]

describe('Table C: REQUIRETLS with a reverse-path', () => {
  for (const [row, hosts, expected] of rows) test(`row ${row}`, () => assert.deepEqual(outcome(...hosts), expected))

  test('row 21 of a certificate: an enforced policy is looked for again before the message is given up', () => {
    const facts = { sts: named('enforce') }
    assert.deepEqual(outcome({ facts, channel: tls(expired) }), bounce('5.7.10', true))
  })

  test('a certificate that DANE proves and only the enforced policy refuses is a failure of the policy', () => {
    const facts = { sts: named('enforce'), dane: DANE.usable }
    assert.deepEqual(outcome({ facts, channel: tls(selfSigned, undefined, authenticated) }), DEFER)
  })

  test('a certificate that DANE-EE proves needs no name (D-11)', () => {
    assert.equal(outcome({ facts: { dane: DANE.usable }, channel: tls(selfSigned, mismatched, authenticated) }), 'sent')
  })

  test('no host at all: nothing definitive is known', () => {
    assert.deepEqual(requireTlsOutcome([], { reversePath: 'address' }), DEFER)
  })
})

describe('Table C: REQUIRETLS without a reverse-path', () => {
  const outcomeOfNull = (...hosts: readonly Host[]) =>
    requireTlsOutcome(
      hosts.map(end).filter((one) => one !== 'sent'),
      { reversePath: 'null' },
    )

  test('row 12: sent where all conditions hold', () => assert.equal(end(good), 'sent'))

  test('row 13: else once more without the parameter, by Table A', () => {
    assert.deepEqual(outcomeOfNull(silent, { facts: {}, channel: notOffered }), { kind: 'without-parameter' })
    const facts = { sts: named('enforce'), message: 'default' } as const
    assert.equal(judgeAgain(facts, tls(expired)).kind, 'failed')
    assert.equal(judgeAgain(facts, tls()).kind, 'proven')
    assert.deepEqual(outcomeOfNull({ facts: { dane: DANE.failure } }), DEFER)
  })
})

function judgeAgain(facts: Partial<RequirementFacts>, channel: Channel): Verdict {
  const requirement = tlsRequirement({ local: 'nothing', mxHostname, origin: bySecureMx, ...facts })
  assert(requirement.kind === 'prove')
  return judge(requirement, channel)
}

describe('Table C: TLS-Required: No', () => {
  const optional = (facts: Partial<RequirementFacts>, channel: Channel) => {
    const requirement = tlsRequirement({ local: 'nothing', mxHostname, ...facts, message: 'tls-optional' })
    assert(requirement.kind === 'prove')
    assert.deepEqual(sessionResults(requirement, channel), [], 'nothing is counted (RTLS-39)')
    return judge(requirement, channel)
  }

  test('row 14: the parameter wins over the header field', () => {
    assert.equal(messageTls({ parameter: true, tlsRequiredNo: true }), 'requiretls')
    assert.equal(messageTls({ parameter: true, tlsRequiredNo: false }), 'requiretls')
    assert.equal(messageTls({ parameter: false, tlsRequiredNo: true }), 'tls-optional')
    assert.equal(messageTls({ parameter: false, tlsRequiredNo: false }), 'default')
  })

  test('row 15: TLSA mismatch, enforce failure, expired certificate: delivered', () => {
    const mismatch = tls(trusted, undefined, noMatch)
    assert.equal(optional({ dane: DANE.usable }, mismatch).kind, 'proven')
    assert.equal(optional({ sts: unnamed('enforce') }, tls()).kind, 'proven')
    assert.equal(optional({ sts: named('enforce') }, tls(expired)).kind, 'proven')
  })

  test('row 16: a server that demands STARTTLS where TLS is impossible: bounced', () => {
    assert.deepEqual(tlsOptionalOutcome('clear', 530), { kind: 'bounce' })
    assert.deepEqual(tlsOptionalOutcome('clear', 550), { kind: 'usual' })
    assert.deepEqual(tlsOptionalOutcome('tls', 530), { kind: 'usual' })
  })

  test('row 17: STARTTLS missing under enforce or with usable TLSA: delivered in clear', () => {
    for (const facts of [{ sts: named('enforce') }, { dane: DANE.usable }]) {
      assert.deepEqual(optional(facts, notOffered), { kind: 'proven', level: 'clear' })
    }
  })

  test('row 18: TLSA lookup failure: delivered', () => {
    assert.equal(optional({ dane: DANE.failure }, tls(selfSigned)).kind, 'proven')
  })
})

test('Table C, row 22: without a tag Table A alone, and no proof of the name is asked for', () => {
  assert.equal(judgeAgain({ origin: byInsecureMx, message: 'default' }, tls(selfSigned)).kind, 'proven')
})
