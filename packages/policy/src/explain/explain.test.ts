/** An explanation as a value: total over everything that can be found out, and unchanged by JSON. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { DnsFailureReason } from '../dns/answer.ts'
import { parseOwnerName } from '../domain-name.ts'
import type { PolicyFetchError } from '../mta-sts/fetch-error.ts'
import type { RecordAnswer } from '../mta-sts/record-lookup.ts'
import type { NoPolicyReason, StsFacts } from '../mta-sts/source-facts.ts'
import type { NextHop } from '../next-hop/resolve.ts'
import type { RequirementFacts } from '../requirement.ts'
import { tlsRequirement } from '../requirement.ts'
import type { TlsFailure } from '../tls-failure.ts'
import type { Channel } from '../verdict.ts'
import {
  addresses,
  certificate,
  DOMAIN,
  explainFacts,
  found,
  host,
  lookups,
  MX,
  NOW,
  name,
  none,
  OBSTACLE,
  peer,
  policy,
  served,
  session,
  shown,
  stored,
} from './explain.fixture.ts'
import { explain } from './explain.ts'
import type { ExplainFacts, HostFacts, RouteFacts, SessionFacts, StsEvidence } from './facts.ts'

test('the same facts give the same explanation, and JSON carries it unchanged', () => {
  const facts = explainFacts({ connected: true, hosts: [shown({ kind: 'tls', facts: peer({ matches: false }) })] })
  const explanation = explain(facts)
  assert.deepEqual(explain(facts), explanation)
  assert.deepEqual(JSON.parse(JSON.stringify(explanation)), explanation)
})

test('a good domain, whole', () => {
  const { hosts, mtaSts, conclusion, route } = explain(
    explainFacts({ connected: true, hosts: [shown({ kind: 'tls', facts: peer() })] }),
  )
  assert.equal(conclusion.kind, 'deliverable')
  assert.deepEqual(route, { kind: 'mx', secure: false, lane: 'mx:example.test:25' })
  assert.equal(mtaSts.state, 'in-force')
  assert.deepEqual(mtaSts.policy, {
    ...{ mode: 'enforce', id: '1', from: 'cache', maxAgeSeconds: 1_209_600, mx: ['mx.example.test'] },
    ...{ fetchedAt: '2026-11-22T11:00:00.000Z', expiresAt: '2026-12-06T11:00:00.000Z' },
    ...{ ageSeconds: 3_600, expiresInSeconds: 1_206_000 },
  })
  assert.deepEqual(mtaSts.renewal, { refreshAt: '2026-11-23T12:00:00.000Z', failedRefreshes: 0 })
  const [only] = hosts
  assert.deepEqual(only?.demand?.proofs, ['encrypted', 'pkix'])
  const shownNow = only?.addresses[0]?.session
  assert.equal(shownNow?.verdict, 'proven')
  assert.equal(shownNow?.level, 'sts')
  assert.deepEqual(shownNow?.reports, [{ policyType: 'sts', results: ['success'] }])
  assert.equal(shownNow?.tls?.trust, 'trusted')
})

test('observed policies say what enforcing would refuse', () => {
  const observed = shown({ kind: 'clear', because: 'starttls-not-offered' }, { enforcement: 'observe' })
  const { hosts, conclusion } = explain(explainFacts({ connected: true, hosts: [observed] }))
  assert.equal(conclusion.kind, 'deliverable')
  assert.match(conclusion.sentence, /enforcing its policies would keep the mail back\.$/)
  assert.deepEqual(hosts[0]?.addresses[0]?.session?.wouldHaveRefused, ['STARTTLS is not offered'])
  assert.ok(hosts[0]?.demand?.reasons.some(({ by }) => by === 'observe'))
})

test('what an operator demands or waives is named as theirs', () => {
  const demanding = explain(explainFacts({ hosts: [host({}, { sts: undefined, local: 'pkix' })] })).hosts[0]?.demand
  assert.deepEqual(
    demanding?.reasons.map(({ by }) => by),
    ['local-policy'],
  )
  const overrides = { required: [], waived: ['mta-sts'] } as const
  const waived = explain(explainFacts({ hosts: [host({}, { overrides })] })).hosts[0]?.demand
  assert.deepEqual(waived?.proofs, [])
  assert.deepEqual(
    waived?.reasons.map(({ by }) => by),
    ['override'],
  )
})

const text = fc.string({ unit: 'binary', maxLength: 600 })
const time = fc.oneof(fc.constant(NOW), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer())
const dnsReason: fc.Arbitrary<DnsFailureReason> = fc.oneof(
  fc.constantFrom<DnsFailureReason>({ kind: 'timeout' }, { kind: 'cname-chain' }),
  text.map((code): DnsFailureReason => ({ kind: 'network', code })),
  text.map((detail): DnsFailureReason => ({ kind: 'malformed', detail })),
  text.map((rcode): DnsFailureReason => ({ kind: 'rcode', rcode, extendedError: { infoCode: 6, extraText: rcode } })),
)
const tlsFailure: fc.Arbitrary<TlsFailure> = fc.oneof(
  fc.constantFrom<TlsFailure>(
    ...(['closed', 'timeout', 'aborted', 'not-tls', 'protocol-version', 'no-certificate'] as const).map((kind) => ({
      kind,
    })),
  ),
  text.map((alert): TlsFailure => ({ kind: 'alert', alert })),
  text.map((code): TlsFailure => ({ kind: 'other', code })),
)
const fileError = fc.oneof(
  fc.constantFrom({ kind: 'not-utf8' }, { kind: 'byte-order-mark' }, { kind: 'malformed-line', line: 1 } as const),
  text.map((value) => ({ kind: 'invalid-mode', value }) as const),
) as fc.Arbitrary<Extract<PolicyFetchError, { kind: 'policy-invalid' }>['error']>
const fetchError: fc.Arbitrary<PolicyFetchError> = fc.oneof(
  dnsReason.map((reason): PolicyFetchError => ({ kind: 'dns', reason })),
  tlsFailure.map((failure): PolicyFetchError => ({ kind: 'tls', address: '192.0.2.1', failure })),
  fileError.map((error): PolicyFetchError => ({ kind: 'policy-invalid', address: '192.0.2.1', error })),
  fc.integer().map((status): PolicyFetchError => ({ kind: 'status', address: '192.0.2.1', status })),
  text.map((mediaType): PolicyFetchError => ({ kind: 'media-type', address: '192.0.2.1', mediaType })),
  text.map(
    (code): PolicyFetchError => ({ kind: 'webpki', address: '192.0.2.1', reason: 'untrusted', code, peer: peer() }),
  ),
  fc.constantFrom<PolicyFetchError>({ kind: 'own-limit' }, { kind: 'aborted' }, { kind: 'policy-host-name' }),
)
const record: fc.Arbitrary<RecordAnswer> = fc.oneof(
  text.map((id): RecordAnswer => ({ kind: 'record', id, ttlSeconds: 1 })),
  fc.constant<RecordAnswer>({ kind: 'absent', ttlSeconds: 1 }),
  text.map((field): RecordAnswer => ({ kind: 'unusable', error: { kind: 'malformed-field', field }, ttlSeconds: 1 })),
  dnsReason.map((reason): RecordAnswer => ({ kind: 'failed', reason })),
)
const shape = fc.record({
  mode: fc.constantFrom('enforce', 'testing', 'none'),
  mx: fc.subarray(['mx.example.test', '*.example.test', '*.mx.example.test', 'example.test'], { minLength: 1 }),
  maxAge: fc.nat(40_000_000),
})
const entry = fc.record({ shape, fetchedAt: time, failedRefreshes: fc.nat(5) })
const cached = entry.map((one) => stored(one.shape, { fetchedAt: one.fetchedAt, failedRefreshes: one.failedRefreshes }))
const because: fc.Arbitrary<NoPolicyReason> = fc.oneof(
  fc.constant<NoPolicyReason>({ kind: 'no-record' }),
  dnsReason.map((reason): NoPolicyReason => ({ kind: 'record-lookup-failed', reason })),
  cached.map((one): NoPolicyReason => ({ kind: 'mode-none', entry: one, from: 'cache' })),
  fetchError.map((error): NoPolicyReason => ({ kind: 'fetch-failed', id: '1', error, retryFrom: NOW })),
)
const facts: fc.Arbitrary<StsFacts | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.tuple(shape, record).map(([one, heard]) => found(one, heard)),
  fc.tuple(because, record).map(([why, heard]) => none(why, heard)),
  fc.constantFrom('cache', 'own-limit', 'stopping').map((why): StsFacts => {
    const gathered = { record: undefined, uncounted: undefined, validUntil: NOW }
    return { kind: 'unavailable', policyDomain: DOMAIN, because: why as 'cache', ...gathered }
  }),
)
const sts: fc.Arbitrary<StsEvidence> = fc.oneof(
  fc.constantFrom<StsEvidence>(
    { kind: 'not-consulted', because: 'off' },
    { kind: 'not-consulted', because: 'address' },
  ),
  fc
    .record({
      facts,
      cached: fc.oneof(fc.constant(undefined), fc.constant('unavailable' as const), cached),
      policyHost: fc.oneof(
        shape.map((one) => served(one)),
        fetchError.map((error) => ({ kind: 'failed', at: NOW, error }) as const),
        fc.constant({ kind: 'not-asked', because: 'deadline' } as const),
      ),
      txt: fc.array(fc.array(text, { maxLength: 3 }), { maxLength: 20 }),
    })
    .map(({ txt: [first, ...rest], ...evidence }): StsEvidence => {
      const canonicalName = parseOwnerName('_mta-sts.elsewhere.test')
      assert.ok(canonicalName.ok)
      const answer = { kind: 'records', secure: false, canonicalName: canonicalName.value, ttlSeconds: 1 } as const
      const txt =
        first === undefined ? undefined : { ...answer, records: [first, ...rest] as [string[], ...string[][]] }
      return lookups({ ...evidence, txt })
    }),
)
const channel: fc.Arbitrary<Channel> = fc.oneof(
  tlsFailure.map((failure): Channel => ({ kind: 'clear', because: 'handshake-failed', failure })),
  fc.constantFrom<Channel>({ kind: 'clear', because: 'starttls-refused' }),
  fc
    .record({
      subject: text,
      subjectAltName: text,
      validTo: time,
      trust: fc.option(text, { nil: undefined }),
      matches: fc.boolean(),
    })
    .map(({ subject, subjectAltName, validTo, trust, matches }): Channel => {
      const chain = [certificate('x', { subject, subjectAltName, validTo })] as const
      return { kind: 'tls', facts: peer({ matches, chain: [...chain], ...(trust === undefined ? {} : { trust }) }) }
    }),
)
const requirement: fc.Arbitrary<Partial<RequirementFacts>> = fc.record({
  local: fc.constantFrom('nothing', 'encrypted', 'pkix'),
  sts: fc.oneof(
    fc.constant(undefined),
    shape.map((one) => ({ mode: 'enforce' as const, id: '1', policy: policy({ ...one, mode: 'enforce' }) })),
  ),
  enforcement: fc.constantFrom('enforce', 'observe'),
})
const anyHost: fc.Arbitrary<HostFacts> = fc.oneof(
  fc.tuple(channel, requirement, text).map(([one, demanded, detail]): HostFacts => {
    const decided = tlsRequirement({ local: 'nothing', mxHostname: MX, ...demanded })
    const judged = decided.kind === 'prove' ? [session(one, demanded)] : []
    const silent: SessionFacts = { address: '2001:db8::1', kind: 'no-channel', obstacle: { ...OBSTACLE, detail } }
    return host({
      place: {
        kind: 'candidate',
        requirement: decided,
        dialled: ['192.0.2.1', '2001:db8::1'],
        sessions: [...judged, silent],
      },
    })
  }),
  fc.constantFrom<HostFacts>(
    host({ place: { kind: 'behind-ourselves' } }),
    host({ place: { kind: 'unanswered' }, addresses: undefined }),
    host({ place: { kind: 'unusable', ...OBSTACLE } }),
    host({ addresses: addresses({ canonicalName: name('alias.test') }), implicit: true, preference: undefined }),
  ),
)
const answer: fc.Arbitrary<NextHop | undefined> = fc.oneof(
  fc.constantFrom<NextHop | undefined>(
    undefined,
    { kind: 'null-mx', ttlSeconds: 1 },
    { kind: 'no-usable-mx', ttlSeconds: 1 },
  ),
  dnsReason.map((reason): NextHop => ({ kind: 'failure', lookup: 'mx', name: DOMAIN, reason })),
)
const end = fc.constantFrom<RouteFacts['end']>(
  { kind: 'hosts' },
  { kind: 'nobody', ...OBSTACLE },
  { kind: 'unanswered', afterMs: 1 },
)
const anyRoute: fc.Arbitrary<RouteFacts> = fc.oneof(
  fc
    .tuple(answer, end)
    .map(([hop, how]): RouteFacts => ({ kind: 'mx', lane: 'l', domain: DOMAIN, answer: hop, end: how })),
  end.map((how): RouteFacts => ({ kind: 'smarthost', lane: 'l', host: 'smarthost.test', end: how })),
  end.map((how): RouteFacts => ({ kind: 'literal', lane: 'l', end: how })),
)
const anyFacts: fc.Arbitrary<ExplainFacts> = fc
  .record({ sts, hosts: fc.array(anyHost, { maxLength: 3 }), route: anyRoute, connected: fc.boolean() })
  .map((parts) => explainFacts(parts))

test('an explanation is made of whatever was found out, never a defect', () => {
  fc.assert(
    fc.property(anyFacts, (found) => {
      const explanation = explain(found)
      assert.deepEqual(JSON.parse(JSON.stringify(explanation)), explanation)
      assert.match(explanation.conclusion.sentence, /\.$/)
      for (const { code, text: said, remedy, rfc } of explanation.advice) {
        assert.match(code, /^[a-z0-9-]+$/)
        assert.match(said, /[.)…]$/s)
        assert.match(remedy, /\.$/)
        assert.ok(rfc.length > 0)
        for (const one of rfc) assert.match(one, /^RFC \d{4} §\d+(?:\.\d+)*$/)
      }
    }),
    { numRuns: 200 },
  )
})
