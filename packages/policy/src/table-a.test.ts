/**
 * Conformance, Table A: one test for each row, as far as values can tell. What may cross and at which level, what is
 * reported, and whose policy refused. The rows on the wire are in `test/scenarios/`.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DaneReason } from './dane/facts.ts'
import {
  authenticated,
  baseDomain,
  brokenTls,
  byInsecureMx,
  bySecureMx,
  DANE,
  expired,
  mismatched,
  mxHostname,
  named,
  nextHop,
  noMatch,
  notOffered,
  owner,
  refusedTls,
  selfSigned,
  tls,
  trusted,
  unnamed,
} from './decision.fixture.ts'
import type { DnsFailureReason } from './dns/answer.ts'
import type { Mechanism } from './override.ts'
import { type RequirementFacts, tlsRequirement } from './requirement.ts'
import { lookupResults, type SessionResult, sessionResults, unreachableResults } from './session-result.ts'
import { type Channel, type ChannelLevel, judge, refusedBy } from './verdict.ts'

/** `tlsa:F(dane-required)`, `sts:S`: the Report column in its own words. */
function report(results: readonly SessionResult[]): readonly string[] {
  return results.map(({ policyType, outcome }) => {
    const type = policyType === 'no-policy-found' ? 'npf' : policyType
    if (outcome.kind === 'success') return `${type}:S`
    const details = outcome.details.map(({ resultType, failureReasonCode: code }) =>
      code === undefined ? resultType : `${resultType}: ${code}`,
    )
    return `${type}:F(${details.join(', ')})`
  })
}

type Deliver = ChannelLevel
/** Passed over, because of these policies; `no connection`: and not even contacted. */
type Skip = { readonly skip: readonly Mechanism[]; readonly contacted: boolean }
const skip = (...mechanisms: readonly Mechanism[]): Skip => ({ skip: mechanisms, contacted: true })
const avoid = (...mechanisms: readonly Mechanism[]): Skip => ({ skip: mechanisms, contacted: false })

type Row = readonly [
  row: string,
  facts: Partial<RequirementFacts>,
  /** What the host would show, if asked. */
  channel: Channel,
  action: Deliver | Skip,
  report: readonly string[],
]

const usable = { dane: DANE.usable }
const unusable = { dane: DANE.unusable }
const bad = noMatch
const daneFailing = (...reasons: readonly [DaneReason, ...DaneReason[]]) =>
  tls(trusted, undefined, { kind: 'failed', reasons })
const ee = { ok: tls(trusted, undefined, authenticated), bad: tls(trusted, undefined, bad) }
const noPkix = tls(selfSigned, undefined, authenticated)
const wrongName = tls(trusted, mismatched, authenticated)
const neither = tls(selfSigned, undefined, bad)

const NO_STARTTLS = 'starttls-not-supported'
const REFUSED = 'starttls-not-supported: 454'
const BROKEN = 'validation-failure: alert-protocol-version'
const UNTRUSTED = 'certificate-not-trusted: DEPTH_ZERO_SELF_SIGNED_CERT'
const NO_MATCH = 'certificate-not-trusted: dane-no-matching-tlsa'
const MISMATCH = 'sts:F(validation-failure: sts-mx-mismatch)'

const GROUP_1: readonly Row[] = [
  ['1', usable, notOffered, skip('dane'), [`tlsa:F(${NO_STARTTLS})`]],
  ['1, refused', usable, refusedTls, skip('dane'), [`tlsa:F(${REFUSED})`]],
  ['2', usable, ee.ok, 'dane', ['tlsa:S']],
  ['2, whatever PKIX says', usable, tls(expired, mismatched, authenticated), 'dane', ['tlsa:S']],
  ['3', usable, ee.bad, skip('dane'), [`tlsa:F(${NO_MATCH})`]],
  [
    '3, DANE-TA, the path does not hold',
    usable,
    daneFailing({ kind: 'path-invalid', code: 'signature' }),
    skip('dane'),
    ['tlsa:F(certificate-not-trusted: dane-path-signature)'],
  ],
  [
    '3, DANE-TA, expired',
    usable,
    daneFailing({ kind: 'certificate-expired', depth: 0 }),
    skip('dane'),
    ['tlsa:F(certificate-expired)'],
  ],
  [
    '3, DANE-TA, not yet valid',
    usable,
    daneFailing({ kind: 'certificate-not-yet-valid', depth: 0 }),
    skip('dane'),
    ['tlsa:F(certificate-not-trusted: certificate-not-yet-valid)'],
  ],
  [
    '3, DANE-TA, another name',
    usable,
    daneFailing({ kind: 'name-mismatch', names: [baseDomain, nextHop] }),
    skip('dane'),
    ['tlsa:F(certificate-host-mismatch)'],
  ],
  [
    '3, DANE-TA, expired and another name: two details of one failure',
    usable,
    daneFailing({ kind: 'certificate-expired', depth: 1 }, { kind: 'name-mismatch', names: [baseDomain] }),
    skip('dane'),
    ['tlsa:F(certificate-expired, certificate-host-mismatch)'],
  ],
  ['4', usable, brokenTls, skip('dane'), [`tlsa:F(${BROKEN})`]],
  ['5', { ...usable, sts: named('testing') }, noPkix, 'dane', ['tlsa:S', `sts:F(${UNTRUSTED})`]],
  [
    '5, wrong name',
    { ...usable, sts: named('testing') },
    wrongName,
    'dane',
    ['tlsa:S', 'sts:F(certificate-host-mismatch)'],
  ],
  ['6', { ...usable, sts: unnamed('testing') }, ee.ok, 'dane', ['tlsa:S', MISMATCH]],
  ['7', { ...usable, sts: named('testing') }, ee.bad, skip('dane'), [`tlsa:F(${NO_MATCH})`, 'sts:S']],
  ['8', { ...usable, sts: unnamed('enforce') }, ee.ok, avoid('mta-sts'), [MISMATCH]],
  [
    '9, enforce',
    { ...usable, sts: named('enforce') },
    notOffered,
    skip('dane', 'mta-sts'),
    [`tlsa:F(${NO_STARTTLS})`, `sts:F(${NO_STARTTLS})`],
  ],
  [
    '9, testing',
    { ...usable, sts: named('testing') },
    refusedTls,
    skip('dane'),
    [`tlsa:F(${REFUSED})`, `sts:F(${REFUSED})`],
  ],
  ['10, enforce', { ...usable, sts: named('enforce') }, ee.ok, 'dane+sts', ['tlsa:S', 'sts:S']],
  ['10, testing', { ...usable, sts: named('testing') }, ee.ok, 'dane+sts', ['tlsa:S', 'sts:S']],
  ['11', { ...usable, sts: named('enforce') }, noPkix, skip('mta-sts'), ['tlsa:S', `sts:F(${UNTRUSTED})`]],
  ['12', { ...usable, sts: named('enforce') }, ee.bad, skip('dane'), [`tlsa:F(${NO_MATCH})`, 'sts:S']],
  [
    '13, enforce',
    { ...usable, sts: named('enforce') },
    neither,
    skip('dane', 'mta-sts'),
    [`tlsa:F(${NO_MATCH})`, `sts:F(${UNTRUSTED})`],
  ],
  [
    '13, testing',
    { ...usable, sts: named('testing') },
    neither,
    skip('dane'),
    [`tlsa:F(${NO_MATCH})`, `sts:F(${UNTRUSTED})`],
  ],
  [
    '14, enforce',
    { ...usable, sts: named('enforce') },
    brokenTls,
    skip('dane', 'mta-sts'),
    [`tlsa:F(${BROKEN})`, `sts:F(${BROKEN})`],
  ],
  [
    '14, testing',
    { ...usable, sts: named('testing') },
    brokenTls,
    skip('dane'),
    [`tlsa:F(${BROKEN})`, `sts:F(${BROKEN})`],
  ],
]

const half = { dane: DANE['usable-insecure-mx'], origin: byInsecureMx }
const GROUP_1B: readonly Row[] = [
  ['1b-1', half, ee.ok, 'dane-insecure-mx', ['tlsa:S']],
  [
    '1b-1, testing, PKIX not ok',
    { ...half, sts: named('testing') },
    noPkix,
    'dane-insecure-mx',
    ['tlsa:S', `sts:F(${UNTRUSTED})`],
  ],
  ['1b-1, testing, not named', { ...half, sts: unnamed('testing') }, ee.ok, 'dane-insecure-mx', ['tlsa:S', MISMATCH]],
  ['1b-1, testing, PKIX ok', { ...half, sts: named('testing') }, ee.ok, 'dane-insecure-mx', ['tlsa:S', 'sts:S']],
  ['1b-2, certificate', half, ee.bad, skip('dane'), [`tlsa:F(${NO_MATCH})`]],
  ['1b-2, no STARTTLS', half, notOffered, skip('dane'), [`tlsa:F(${NO_STARTTLS})`]],
  ['1b-2, handshake', half, brokenTls, skip('dane'), [`tlsa:F(${BROKEN})`]],
  ['1b-2, enforce', { ...half, sts: named('enforce') }, ee.bad, skip('dane'), [`tlsa:F(${NO_MATCH})`, 'sts:S']],
  ['1b-3', { ...half, sts: named('enforce') }, ee.ok, 'dane-insecure-mx+sts', ['tlsa:S', 'sts:S']],
  ['1b-3, not named', { ...half, sts: unnamed('enforce') }, ee.ok, avoid('mta-sts'), [MISMATCH]],
  ['1b-3, PKIX not ok', { ...half, sts: named('enforce') }, noPkix, skip('mta-sts'), ['tlsa:S', `sts:F(${UNTRUSTED})`]],
  ['1b-4', { dane: DANE['unusable-insecure-mx'] }, tls(selfSigned), 'encrypted', ['tlsa:F(tlsa-invalid)']],
  [
    '1b-4, no STARTTLS',
    { dane: DANE['unusable-insecure-mx'] },
    notOffered,
    skip('dane'),
    [`tlsa:F(tlsa-invalid, ${NO_STARTTLS})`],
  ],
  [
    '1b-5',
    { dane: DANE.failure, origin: byInsecureMx },
    ee.ok,
    avoid('dane'),
    ['tlsa:F(dnssec-invalid: tlsa-lookup-timeout)'],
  ],
  ['1b-6', { dane: DANE.absent, origin: byInsecureMx }, tls(selfSigned), 'encrypted', ['npf:S']],
]

const GROUP_2: readonly Row[] = [
  ['15', unusable, notOffered, skip('dane'), [`tlsa:F(tlsa-invalid, ${NO_STARTTLS})`]],
  ['15, refused', unusable, refusedTls, skip('dane'), [`tlsa:F(tlsa-invalid, ${REFUSED})`]],
  ['16', unusable, tls(selfSigned, mismatched), 'encrypted', ['tlsa:F(tlsa-invalid)']],
  ['17', unusable, brokenTls, skip('dane'), [`tlsa:F(tlsa-invalid, ${BROKEN})`]],
  ['18, PKIX ok', { ...unusable, sts: named('testing') }, tls(), 'sts', ['tlsa:F(tlsa-invalid)', 'sts:S']],
  [
    '18, PKIX not ok',
    { ...unusable, sts: named('testing') },
    tls(selfSigned),
    'encrypted',
    ['tlsa:F(tlsa-invalid)', `sts:F(${UNTRUSTED})`],
  ],
  ['18, not named', { ...unusable, sts: unnamed('testing') }, tls(), 'encrypted', ['tlsa:F(tlsa-invalid)', MISMATCH]],
  [
    '19',
    { ...unusable, sts: named('testing') },
    notOffered,
    skip('dane'),
    [`tlsa:F(tlsa-invalid, ${NO_STARTTLS})`, `sts:F(${NO_STARTTLS})`],
  ],
  ['20', { ...unusable, sts: unnamed('enforce') }, tls(), avoid('mta-sts'), [MISMATCH]],
  ['21', { ...unusable, sts: named('enforce') }, tls(), 'sts', ['tlsa:F(tlsa-invalid)', 'sts:S']],
  [
    '22, no STARTTLS',
    { ...unusable, sts: named('enforce') },
    notOffered,
    skip('dane', 'mta-sts'),
    [`tlsa:F(tlsa-invalid, ${NO_STARTTLS})`, `sts:F(${NO_STARTTLS})`],
  ],
  [
    '22, handshake fails',
    { ...unusable, sts: named('enforce') },
    brokenTls,
    skip('dane', 'mta-sts'),
    [`tlsa:F(tlsa-invalid, ${BROKEN})`, `sts:F(${BROKEN})`],
  ],
  [
    '22, PKIX not ok',
    { ...unusable, sts: named('enforce') },
    tls(selfSigned),
    skip('mta-sts'),
    ['tlsa:F(tlsa-invalid)', `sts:F(${UNTRUSTED})`],
  ],
]

const GROUP_3: readonly Row[] = [
  ['23', {}, notOffered, 'clear', [`npf:F(${NO_STARTTLS})`]],
  ['24', {}, tls(expired, mismatched), 'encrypted', ['npf:S']],
  ['25', {}, brokenTls, 'clear', [`npf:F(${BROKEN})`]],
  ['26', { sts: named('testing') }, tls(), 'sts', ['sts:S']],
  ['27', { sts: named('testing') }, tls(expired), 'encrypted', ['sts:F(certificate-expired)']],
  ['28', { sts: named('testing') }, notOffered, 'clear', [`sts:F(${NO_STARTTLS})`]],
  ['29', { sts: named('testing') }, brokenTls, 'clear', [`sts:F(${BROKEN})`]],
  ['30', { sts: unnamed('testing') }, tls(), 'encrypted', [MISMATCH]],
  [
    '30, and a wrong name',
    { sts: unnamed('testing') },
    tls(trusted, mismatched),
    'encrypted',
    ['sts:F(validation-failure: sts-mx-mismatch, certificate-host-mismatch)'],
  ],
  ['31', { sts: unnamed('enforce') }, tls(), avoid('mta-sts'), [MISMATCH]],
  ['32', { sts: named('enforce') }, tls(), 'sts', ['sts:S']],
  ['33, expired', { sts: named('enforce') }, tls(expired), skip('mta-sts'), ['sts:F(certificate-expired)']],
  ['33, untrusted', { sts: named('enforce') }, tls(selfSigned), skip('mta-sts'), [`sts:F(${UNTRUSTED})`]],
  [
    '33, name',
    { sts: named('enforce') },
    tls(trusted, mismatched),
    skip('mta-sts'),
    ['sts:F(certificate-host-mismatch)'],
  ],
  ['34', { sts: named('enforce') }, notOffered, skip('mta-sts'), [`sts:F(${NO_STARTTLS})`]],
  ['35', { sts: named('enforce') }, brokenTls, skip('mta-sts'), [`sts:F(${BROKEN})`]],
]

const failed = { dane: DANE.failure }
const FAILED = 'tlsa:F(dnssec-invalid: tlsa-lookup-timeout)'
const bogus: DnsFailureReason = { kind: 'rcode', rcode: 'SERVFAIL', extendedError: { infoCode: 6, extraText: '' } }
const servfail: DnsFailureReason = { kind: 'rcode', rcode: 'SERVFAIL' }
const because = (reason: DnsFailureReason) => ({ dane: { ...DANE.failure, reason } })
const required = { overrides: { required: ['dane'], waived: [] } } as const
const REQUIRED = 'tlsa:F(dane-required)'

const GROUPS_4_AND_5: readonly Row[] = [
  ['36', failed, tls(), avoid('dane'), [FAILED]],
  ['36, bogus', because(bogus), tls(), avoid('dane'), ['tlsa:F(dnssec-invalid: tlsa-lookup-bogus-ede-6)']],
  ['36, SERVFAIL', because(servfail), tls(), avoid('dane'), ['tlsa:F(dnssec-invalid: tlsa-lookup-failed)']],
  [
    '36, of the first alias',
    { dane: { ...DANE.failure, lookup: 'cname', reason: servfail } },
    tls(),
    avoid('dane'),
    ['tlsa:F(dnssec-invalid: cname-lookup-failed)'],
  ],
  ['36, testing', { ...failed, sts: named('testing') }, tls(), avoid('dane'), [FAILED]],
  ['36, testing, not named', { ...failed, sts: unnamed('testing') }, tls(), avoid('dane'), [FAILED]],
  ['36, enforce', { ...failed, sts: named('enforce') }, tls(), avoid('dane'), [FAILED]],
  [
    '36, enforce, not named',
    { ...failed, sts: unnamed('enforce') },
    tls(),
    avoid('dane', 'mta-sts'),
    [MISMATCH, FAILED],
  ],
  ['37, denial', { dane: DANE.absent, ...required }, tls(), avoid(), [REQUIRED]],
  ['37, nobody asked', required, tls(), avoid(), [REQUIRED]],
  ['37, insecure MX', { dane: DANE['usable-insecure-mx'], ...required }, ee.ok, avoid(), [REQUIRED]],
  [
    '37, enforce, not named',
    { dane: DANE.absent, sts: unnamed('enforce'), ...required },
    tls(),
    avoid('mta-sts'),
    [REQUIRED, MISMATCH],
  ],
  ['38', { dane: DANE.unusable, ...required }, tls(), avoid(), ['tlsa:F(tlsa-invalid)']],
  ['39, authenticated', { dane: DANE.usable, ...required }, ee.ok, 'dane', ['tlsa:S']],
  ['39, not authenticated', { dane: DANE.usable, ...required }, ee.bad, skip('dane'), [`tlsa:F(${NO_MATCH})`]],
  ['39, no STARTTLS', { dane: DANE.usable, ...required }, notOffered, skip('dane'), [`tlsa:F(${NO_STARTTLS})`]],
  ['39, lookup failure', { ...failed, ...required }, ee.ok, avoid('dane'), [FAILED]],
]

const TABLE = { '1': GROUP_1, '1b': GROUP_1B, '2': GROUP_2, '3': GROUP_3, '4 and 5': GROUPS_4_AND_5 }

for (const [group, rows] of Object.entries(TABLE)) {
  describe(`Table A, group ${group}`, () => {
    for (const row of rows) test(`row ${row[0]}`, () => check(row))
  })
}

function check([, facts, channel, action, expected]: Row): void {
  const requirement = tlsRequirement({ local: 'nothing', mxHostname, origin: bySecureMx, ...facts })
  if (requirement.kind === 'unreachable') {
    assert.deepEqual(action, { skip: refusedBy(requirement, requirement.reasons), contacted: false })
    assert.deepEqual(report(unreachableResults(requirement)).toSorted(), [...expected].toSorted())
    return
  }
  const verdict = judge(requirement, channel)
  if (verdict.kind === 'proven') assert.equal(verdict.level, action)
  else assert.deepEqual({ skip: refusedBy(requirement, verdict.reasons), contacted: true }, action)
  assert.deepEqual(report(sessionResults(requirement, channel)), expected)
}

describe('Table A, preconditions', () => {
  test('a lookup that failed through our own fault is no failure of the domain', () => {
    for (const reason of [
      { kind: 'network', code: 'ECONNREFUSED' },
      { kind: 'unvalidated', detail: 'no validator' },
    ] as const) {
      const facts = { local: 'nothing', mxHostname, dane: { ...DANE.failure, reason } } as const
      const requirement = tlsRequirement(facts)
      assert(requirement.kind === 'unreachable')
      assert.deepEqual(unreachableResults(requirement), [])
    }
  })

  test('row P1: a failed MX lookup is reported of the domain when DNSSEC is known to be the cause, else not', () => {
    const results = lookupResults('mx', nextHop, bogus)
    assert.deepEqual(report(results), ['tlsa:F(dnssec-invalid: mx-lookup-bogus-ede-6)'])
    assert.deepEqual(
      results.map((one) => one.policyType === 'tlsa' && one.policyDomain),
      [nextHop],
    )
    assert.deepEqual(lookupResults('mx', nextHop, servfail), [])
    assert.deepEqual(lookupResults('mx', nextHop, { kind: 'timeout' }), [])
  })

  test('row P3: a failed address lookup is reported of the host when DNSSEC is the cause, else not', () => {
    assert.deepEqual(report(lookupResults('address', mxHostname, bogus)), [
      'tlsa:F(dnssec-invalid: address-lookup-bogus-ede-6)',
    ])
    assert.deepEqual(lookupResults('address', mxHostname, servfail), [])
    const lookup = (reason: DnsFailureReason) =>
      tlsRequirement({ local: 'nothing', mxHostname, dane: { ...DANE.failure, lookup: 'address', reason } })
    for (const [reason, expected] of [
      [bogus, ['tlsa:F(dnssec-invalid: address-lookup-bogus-ede-6)']],
      [servfail, []],
    ] as const) {
      const requirement = lookup(reason)
      assert(requirement.kind === 'unreachable')
      assert.deepEqual(report(unreachableResults(requirement)), expected)
    }
  })
})

describe('what a report entry of a host is about', () => {
  test('the TLSA base domain and all published records, in one order', () => {
    const requirement = tlsRequirement({ local: 'nothing', mxHostname, dane: DANE.unusable })
    assert(requirement.kind === 'prove')
    const [result] = sessionResults(requirement, tls())
    assert(result?.policyType === 'tlsa')
    assert.equal(result.policyDomain, baseDomain)
    assert.deepEqual(result.published, DANE.unusable.published)
  })

  test('the host whose lookup failed, without records', () => {
    const requirement = tlsRequirement({ local: 'nothing', mxHostname, dane: DANE.failure })
    assert(requirement.kind === 'unreachable')
    const [result] = unreachableResults(requirement)
    assert(result?.policyType === 'tlsa')
    assert.deepEqual([result.policyDomain, result.published], [owner('host.provider.test'), []])
  })

  test('the host, where DANE is required and there is none', () => {
    const requirement = tlsRequirement({ local: 'dane', mxHostname, dane: DANE.absent })
    assert(requirement.kind === 'unreachable')
    const [result] = unreachableResults(requirement)
    assert.equal(result?.policyType === 'tlsa' && result.policyDomain, mxHostname)
  })
})
