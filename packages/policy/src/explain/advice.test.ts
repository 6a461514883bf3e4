/** Everything that an owner may have done wrong: each rule once where it applies, and nothing where all is well. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DaneFacts } from '../dane/facts.ts'
import type { DnsFailureReason } from '../dns/answer.ts'
import { parseOwnerName } from '../domain-name.ts'
import type { PolicyFetchError } from '../mta-sts/fetch-error.ts'
import type { UnusableRecord } from '../mta-sts/record-lookup.ts'
import {
  ABSENT,
  addresses,
  CLEAR,
  certificate,
  DAY_MS,
  explainFacts,
  found,
  host,
  lookups,
  MX,
  NOW,
  name,
  none,
  OBSTACLE,
  type PeerShape,
  peer,
  RECORD,
  route,
  served,
  session,
  shown,
  stored,
  txt,
} from './explain.fixture.ts'
import { explain } from './explain.ts'
import type { ExplainFacts, StsLookups } from './facts.ts'

function codes(facts: Partial<ExplainFacts>): readonly string[] {
  return explain(explainFacts(facts)).advice.map(({ code, severity }) => `${severity} ${code}`)
}

function sts(more: Partial<StsLookups>): Partial<ExplainFacts> {
  return { sts: lookups(more) }
}

interface Row {
  readonly rule: string
  readonly facts: Partial<ExplainFacts>
  readonly codes: readonly string[]
}

function rows(what: string, list: readonly Row[]): void {
  describe(what, () => {
    for (const row of list) test(row.rule, () => assert.deepEqual(codes(row.facts), row.codes))
  })
}

test('where all is well there is nothing to change', () => {
  assert.deepEqual(codes({}), [])
  assert.deepEqual(codes({ connected: true, hosts: [shown({ kind: 'tls', facts: peer() })] }), [])
})

const unusable = (error: UnusableRecord): Partial<ExplainFacts> => {
  const record = { kind: 'unusable', error, ttlSeconds: 300 } as const
  const policyHost = { kind: 'not-asked', because: 'nothing-announced' } as const
  return sts({ facts: none({ kind: 'unusable-record', error }, record), cached: undefined, policyHost })
}
const nothing = { kind: 'not-asked', because: 'nothing-announced' } as const

rows('the record', [
  {
    rule: 'gone, while a policy is cached',
    facts: sts({ facts: found({}, ABSENT) }),
    codes: ['warning record-vanished'],
  },
  {
    rule: 'gone, and the cached policy is none: the domain has taken its leave as it should',
    facts: sts({ facts: none({ kind: 'no-record' }), cached: stored({ mode: 'none', mx: [] }), policyHost: nothing }),
    codes: [],
  },
  {
    rule: 'gone, and what was cached has expired',
    facts: sts({
      facts: none({ kind: 'no-record' }),
      cached: stored({ maxAge: 3_600 }, { fetchedAt: NOW - 7_200_000 }),
      policyHost: nothing,
    }),
    codes: ['broken policy-expired'],
  },
  {
    rule: 'a text that was meant as one',
    facts: sts({
      facts: none({ kind: 'no-record' }),
      cached: undefined,
      policyHost: nothing,
      txt: txt(['v=spf1 -all'], ['V=stsv1; id=1']),
    }),
    codes: ['broken record-not-recognised'],
  },
  {
    rule: 'another text beside it is nobody’s concern',
    facts: sts({
      facts: none({ kind: 'no-record' }),
      cached: undefined,
      policyHost: nothing,
      txt: txt(['google-site']),
    }),
    codes: [],
  },
  { rule: 'several', facts: unusable({ kind: 'several-records', count: 2 }), codes: ['broken record-several-records'] },
  { rule: 'not ASCII', facts: unusable({ kind: 'not-ascii' }), codes: ['broken record-not-ascii'] },
  {
    rule: 'a malformed field',
    facts: unusable({ kind: 'malformed-field', field: '' }),
    codes: ['broken record-malformed-field'],
  },
  { rule: 'no id', facts: unusable({ kind: 'missing-id' }), codes: ['broken record-missing-id'] },
  { rule: 'an id that is none', facts: unusable({ kind: 'invalid-id', id: '-' }), codes: ['broken record-invalid-id'] },
  {
    rule: 'DNS fails',
    facts: sts({ facts: found({}, { kind: 'failed', reason: { kind: 'rcode', rcode: 'SERVFAIL' } }) }),
    codes: ['warning record-lookup-failed'],
  },
  {
    rule: 'the id stayed, the document did not',
    facts: sts({ policyHost: served({ mx: [MX, 'other.test'] }) }),
    codes: ['warning record-id-unchanged', 'hint policy-mx-unused'],
  },
])

const failed = (error: PolicyFetchError, more: Partial<StsLookups> = {}): Partial<ExplainFacts> =>
  sts({ policyHost: { kind: 'failed', at: NOW, error }, ...more })
const at = { address: '192.0.2.7' }
const expired = { kind: 'webpki', ...at, reason: 'expired', code: 'CERT_HAS_EXPIRED', peer: peer() } as const

rows('the policy host', [
  ...(
    [
      [{ kind: 'dns', reason: { kind: 'timeout' } }, 'dns-failed'],
      [{ kind: 'no-address', reason: 'nxdomain' }, 'no-address'],
      [
        { kind: 'address-refused', refused: [{ address: '10.0.0.1', family: 4, reason: 'private' }] },
        'address-refused',
      ],
      [{ kind: 'connect', ...at, code: 'ECONNREFUSED' }, 'connect-failed'],
      [{ kind: 'tls', ...at, failure: { kind: 'closed' } }, 'tls-failed'],
      [expired, 'webpki-expired'],
      [{ ...expired, reason: 'untrusted', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'webpki-untrusted'],
      [{ ...expired, reason: 'name' }, 'webpki-name'],
      [{ kind: 'truncated', ...at, code: 'ECONNRESET' }, 'truncated'],
      [{ kind: 'malformed', ...at, code: 'HPE_INVALID_CONSTANT' }, 'malformed'],
      [{ kind: 'content-encoding', ...at }, 'content-encoding'],
      [{ kind: 'too-large', ...at, limitBytes: 65_536 }, 'too-large'],
      [{ kind: 'timeout', phase: 'body' }, 'timeout-body'],
      [{ kind: 'status', ...at, status: 404 }, 'status-404'],
      [{ kind: 'status', ...at, status: 302 }, 'status-302'],
      [{ kind: 'media-type', ...at, mediaType: 'text/html' }, 'media-type'],
      [{ kind: 'media-type', ...at, mediaType: undefined }, 'media-type'],
      [{ kind: 'policy-host-name' }, 'policy-host-name'],
      [{ kind: 'policy-invalid', ...at, error: { kind: 'missing-field', field: 'mx' } }, 'policy-missing-field'],
      [{ kind: 'policy-invalid', ...at, error: { kind: 'invalid-mx', value: '*' } }, 'policy-invalid-mx'],
    ] as const
  ).map(([error, code]): Row => ({ rule: code, facts: failed(error), codes: [`warning policy-host-${code}`] })),
  {
    rule: 'without a policy in force the same is worse: mail goes without',
    facts: failed(expired, {
      facts: none({ kind: 'fetch-failed', id: '1', error: expired, retryFrom: NOW }, RECORD),
      cached: undefined,
    }),
    codes: ['broken policy-host-webpki-expired'],
  },
  { rule: 'our own limits are not the owner’s fault', facts: failed({ kind: 'own-limit' }), codes: [] },
  {
    rule: 'no answer while we waited',
    facts: sts({ policyHost: { kind: 'not-asked', because: 'deadline' } }),
    codes: ['warning policy-host-slow'],
  },
  {
    rule: 'its certificate ends soon',
    facts: sts({ policyHost: served({}, peer({ validTo: NOW + 13 * DAY_MS })) }),
    codes: ['warning policy-host-certificate-ends-soon'],
  },
  {
    rule: 'fourteen days are enough',
    facts: sts({ policyHost: served({}, peer({ validTo: NOW + 14 * DAY_MS })) }),
    codes: [],
  },
  {
    rule: 'one of several addresses is dead',
    facts: sts({ policyHost: { ...served(), passedOver: [{ kind: 'connect', ...at, code: 'ECONNREFUSED' }] } }),
    codes: ['warning policy-host-address-fails'],
  },
])

const speaks = (shape: Parameters<typeof served>[0]): Partial<ExplainFacts> =>
  sts({ facts: found(shape), cached: stored(shape), policyHost: served(shape) })

rows('the policy', [
  { rule: 'mode testing', facts: speaks({ mode: 'testing' }), codes: ['hint policy-mode-testing'] },
  {
    rule: 'mode none',
    facts: sts({ cached: stored({ mode: 'none', mx: [] }), policyHost: served({ mode: 'none', mx: [] }) }),
    codes: ['hint policy-mode-none'],
  },
  { rule: 'max_age of hours', facts: speaks({ maxAge: 86_399 }), codes: ['warning policy-max-age-short'] },
  { rule: 'max_age of days', facts: speaks({ maxAge: 86_400 }), codes: ['hint policy-max-age-short'] },
  { rule: 'max_age of a week', facts: speaks({ maxAge: 604_800 }), codes: [] },
  { rule: 'max_age of two years', facts: speaks({ maxAge: 63_072_000 }), codes: ['hint policy-max-age-long'] },
  {
    rule: 'a host that it does not name',
    facts: speaks({ mx: ['other.test'] }),
    codes: ['broken mx-not-in-policy', 'hint policy-mx-unused'],
  },
  {
    rule: 'the same in testing is a warning',
    facts: speaks({ mode: 'testing', mx: ['other.test'] }),
    codes: ['warning mx-not-in-policy', 'hint policy-mode-testing', 'hint policy-mx-unused'],
  },
  {
    rule: 'a wildcard covers one label, not two',
    facts: speaks({ mx: ['*.test'] }),
    codes: ['broken mx-not-in-policy-wildcard-depth', 'hint policy-mx-unused'],
  },
  {
    rule: 'a wildcard does not cover the name itself',
    facts: speaks({ mx: [`*.${MX}`] }),
    codes: ['broken mx-not-in-policy-wildcard-depth', 'hint policy-mx-unused'],
  },
  {
    rule: 'the target of an alias does not count',
    facts: {
      ...speaks({ mx: ['real.provider.test'] }),
      hosts: [host({ addresses: addresses({ canonicalName: name('real.provider.test') }) })],
    },
    codes: ['broken mx-not-in-policy-alias', 'hint policy-mx-unused', 'hint mx-is-alias'],
  },
  {
    rule: 'a pattern for nobody',
    facts: speaks({ mx: [MX, 'old.example.test'] }),
    codes: ['hint policy-mx-unused'],
  },
  {
    rule: 'a domain that takes no mail needs none',
    facts: { route: route({ answer: { kind: 'null-mx', ttlSeconds: 300 } }), hosts: [] },
    codes: ['hint policy-without-mail'],
  },
  {
    rule: 'behind a smarthost the hosts of the domain are nobody’s concern',
    facts: {
      ...speaks({ mx: ['other.test'] }),
      route: { kind: 'smarthost', lane: 'route:mx.example.test:587', host: MX, end: { kind: 'hosts' } },
    },
    codes: [],
  },
])

rows('its renewal', [
  {
    rule: 'refreshes fail',
    facts: sts({ cached: stored({}, { failedRefreshes: 3, lastFailure: { at: NOW, reason: 'status-500' } }) }),
    codes: ['warning policy-not-renewed'],
  },
  {
    rule: 'a `none` that is not renewed protects nobody',
    facts: sts({
      cached: stored({ mode: 'none', mx: [] }, { failedRefreshes: 3 }),
      facts: none({ kind: 'no-record' }),
      policyHost: nothing,
    }),
    codes: [],
  },
  {
    rule: 'enforce has become testing',
    facts: sts({ facts: found({ mode: 'testing' }), cached: stored(), policyHost: served({ mode: 'testing' }) }),
    codes: ['warning record-id-unchanged', 'warning policy-weakened', 'hint policy-mode-testing'],
  },
  {
    rule: 'testing has become enforce: nothing to tell',
    facts: sts({
      facts: { ...found(), id: '2', record: { ...RECORD, id: '2' } as typeof RECORD },
      cached: stored({ mode: 'testing' }),
    }),
    codes: [],
  },
])

rows('the hosts', [
  {
    rule: 'no address',
    facts: { hosts: [host({ addresses: { kind: 'absent', reason: 'nodata', secure: false, ttlSeconds: 1 } })] },
    codes: ['warning mx-without-address'],
  },
  {
    rule: 'a lookup that fails',
    facts: {
      hosts: [host({ addresses: { kind: 'failure', lookup: 'address', name: MX, reason: { kind: 'timeout' } } })],
    },
    codes: ['warning mx-lookup-failed'],
  },
  {
    rule: 'an address that is not public',
    facts: {
      hosts: [host({ addresses: addresses({ refused: [{ address: '10.0.0.1', family: 4, reason: 'private' }] }) })],
    },
    codes: ['warning mx-address-not-public'],
  },
  {
    rule: 'an address of ours says nothing about the owner',
    facts: {
      hosts: [
        host({ addresses: addresses({ refused: [{ address: '10.0.0.1', family: 4, reason: 'own-listener' }] }) }),
      ],
    },
    codes: [],
  },
  {
    rule: 'an alias',
    facts: { hosts: [host({ addresses: addresses({ canonicalName: name('real.provider.test') }) })] },
    codes: ['hint mx-is-alias'],
  },
  {
    rule: 'nobody answers',
    facts: { connected: true, hosts: [withSessions({ address: '192.0.2.1', kind: 'no-channel', obstacle: OBSTACLE })] },
    codes: ['warning mx-unreachable'],
  },
])

function withSessions(...sessions: Extract<ReturnType<typeof host>['place'], { kind: 'candidate' }>['sessions']) {
  const { place } = host()
  assert.equal(place.kind, 'candidate')
  return host({ place: { ...place, sessions } as typeof place })
}

const tls = (shape: PeerShape, facts: Parameters<typeof shown>[1] = {}): Partial<ExplainFacts> => ({
  connected: true,
  hosts: [shown({ kind: 'tls', facts: peer(shape) }, facts)],
})
const noPolicy = { sts: undefined }

rows('the TLS of the hosts', [
  { rule: 'no STARTTLS', facts: { connected: true, hosts: [shown(CLEAR)] }, codes: ['broken mx-without-starttls'] },
  {
    rule: 'STARTTLS refused',
    facts: { connected: true, hosts: [shown({ kind: 'clear', because: 'starttls-refused' })] },
    codes: ['broken mx-refuses-starttls'],
  },
  {
    rule: 'a handshake that fails',
    facts: {
      connected: true,
      hosts: [shown({ kind: 'clear', because: 'handshake-failed', failure: { kind: 'protocol-version' } })],
    },
    codes: ['broken mx-handshake-fails'],
  },
  { rule: 'expired', facts: tls({ trust: 'CERT_HAS_EXPIRED' }), codes: ['broken mx-certificate-expired'] },
  {
    rule: 'not valid yet',
    facts: tls({ trust: 'CERT_NOT_YET_VALID' }),
    codes: ['broken mx-certificate-not-yet-valid'],
  },
  {
    rule: 'signed by itself',
    facts: tls({ trust: 'DEPTH_ZERO_SELF_SIGNED_CERT', chain: [certificate(MX, { issuer: `CN=${MX}` })] }),
    codes: ['broken mx-certificate-untrusted'],
  },
  {
    rule: 'without its intermediate',
    facts: tls({ trust: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }),
    codes: ['broken mx-certificate-incomplete'],
  },
  {
    rule: 'a chain to an unknown root is not incomplete',
    facts: tls({ trust: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', chain: [certificate(MX), certificate('Some Authority')] }),
    codes: ['broken mx-certificate-untrusted'],
  },
  { rule: 'another name', facts: tls({ matches: false }), codes: ['broken mx-certificate-wrong-name'] },
  {
    rule: 'expired, and for another name',
    facts: tls({ matches: false, trust: 'CERT_HAS_EXPIRED' }),
    codes: ['broken mx-certificate-expired', 'broken mx-certificate-wrong-name'],
  },
  {
    rule: 'ends soon',
    facts: tls({ validTo: NOW + 13 * DAY_MS }),
    codes: ['warning mx-certificate-ends-soon'],
  },
  {
    rule: 'a certificate above it ends soon',
    facts: tls({ chain: [certificate(MX), certificate('Some Authority', { validTo: NOW + DAY_MS })] }),
    codes: ['warning mx-certificate-ends-soon'],
  },
  {
    rule: 'what keeps nothing back in testing is a warning',
    facts: tls({ matches: false }, { sts: found({ mode: 'testing' }) }),
    codes: ['warning mx-certificate-wrong-name'],
  },
  {
    rule: 'and without any policy a hint',
    facts: tls({ matches: false }, noPolicy),
    codes: ['hint mx-certificate-wrong-name'],
  },
  {
    rule: 'the same at several addresses is said once, with the addresses',
    facts: {
      connected: true,
      hosts: [withSessions(session(CLEAR), session(CLEAR, {}, '2001:db8::1'))],
    },
    codes: ['broken mx-without-starttls'],
  },
])

const owner = parseOwnerName(`_25._tcp.${MX}`)
assert.ok(owner.ok)
const tlsa = {
  ...{ kind: 'tlsa', baseDomain: MX, owner: owner.value, referenceNames: [MX], mxSecure: true, ttlSeconds: 300 },
  published: [{ usage: 3, selector: 1, matchingType: 1, associationData: new Uint8Array(32) }],
  usable: [{ usage: 'dane-ee', selector: 'spki', matchingType: 'sha-256', associationData: new Uint8Array(32) }],
} as const satisfies DaneFacts
const mismatch = { kind: 'failed', reasons: [{ kind: 'no-tlsa-match' }] } as const
const lookupFailed = { kind: 'failure', lookup: 'tlsa', name: owner.value, reason: { kind: 'timeout' } } as const

const [record] = tlsa.usable
const authenticated = { kind: 'authenticated', record } as const

rows('the TLSA records', [
  {
    rule: 'whom DANE authenticates needs no authority and no name',
    facts: {
      connected: true,
      hosts: [
        shown(
          { kind: 'tls', facts: peer({ matches: false, trust: 'CERT_HAS_EXPIRED' }), dane: authenticated },
          { dane: tlsa, sts: undefined },
        ),
      ],
    },
    codes: [],
  },
  {
    rule: 'and who offers no TLS under them gets no mail',
    facts: { connected: true, hosts: [shown(CLEAR, { dane: tlsa, sts: undefined })] },
    codes: ['broken mx-without-starttls'],
  },
  {
    rule: 'unless MTA-STS wants them too',
    facts: {
      connected: true,
      hosts: [shown({ kind: 'tls', facts: peer({ matches: false }), dane: authenticated }, { dane: tlsa })],
    },
    codes: ['broken mx-certificate-wrong-name'],
  },
  {
    rule: 'a certificate that is not the one',
    facts: { connected: true, hosts: [shown({ kind: 'tls', facts: peer(), dane: mismatch }, { dane: tlsa })] },
    codes: ['broken mx-tlsa-mismatch'],
  },
  {
    rule: 'none that can be used',
    facts: { hosts: [host({}, { dane: { ...tlsa, usable: [] } })] },
    codes: [`warning mx-tlsa-unusable`],
  },
  {
    rule: 'behind MX records that nobody signed',
    facts: { hosts: [host({}, { dane: { ...tlsa, mxSecure: false } })] },
    codes: ['hint mx-records-unsigned'],
  },
  {
    rule: 'a lookup that fails',
    facts: { hosts: [host({}, { dane: lookupFailed })] },
    codes: ['broken mx-tlsa-lookup-failed'],
  },
])

const OURS: DnsFailureReason = { kind: 'unvalidated', detail: 'unbound ended' }
rows('the owner cannot mend that we have no DNS', [
  { rule: 'for the record', facts: sts({ facts: found({}, { kind: 'failed', reason: OURS }) }), codes: [] },
  {
    rule: 'for addresses',
    facts: { hosts: [host({ addresses: { kind: 'failure', lookup: 'address', name: MX, reason: OURS } })] },
    codes: [],
  },
  {
    rule: 'for TLSA records',
    facts: { hosts: [host({}, { dane: { ...lookupFailed, reason: OURS } })] },
    codes: [],
  },
])

test('several addresses are named, one is not', () => {
  const [both] = explain(
    explainFacts({ connected: true, hosts: [withSessions(session(CLEAR), session(CLEAR, {}, '2001:db8::1'))] }),
  ).advice
  assert.match(both?.text ?? '', / \(192\.0\.2\.1, 2001:db8::1\)$/)
  const [one] = explain(explainFacts({ connected: true, hosts: [shown(CLEAR)] })).advice
  assert.doesNotMatch(one?.text ?? '', /192/)
})
