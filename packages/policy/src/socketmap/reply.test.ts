import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { byRoute, DANE, domain, nextHop, pattern } from '../decision.fixture.ts'
import type { PolicyOverride } from '../override.ts'
import { NOW, published, replyTo, type Told, textTo, UNAVAILABLE, UNCERTAIN } from './reply.fixture.ts'
import { replyText } from './reply.ts'

const MX = 'mx.example.test'
const ENFORCE = published('enforce', MX)
const TESTING = published('testing', MX)
const SECURE = `OK secure match=${MX} servername=hostname`
const two = (first: keyof typeof DANE, second: keyof typeof DANE) => ({ [MX]: first, 'mx2.example.test': second })
const demanded = (demand: 'dane' | 'pkix' | 'encrypted'): readonly PolicyOverride[] => [
  { kind: 'require', domain: nextHop, demand },
]
const waived = (...mechanisms: ['dane' | 'mta-sts']): readonly PolicyOverride[] => [
  { kind: 'waive', domain: nextHop, mechanisms, reason: 'test', author: 'test', until: NOW + 1 },
]
const observe = { judge: { enforcement: 'observe' } } as const

const RULES: readonly (readonly [rule: string, told: Told, text: string])[] = [
  ['nothing published: Postfix goes by its own settings', {}, 'NOTFOUND '],
  ['DANE off and no policy', { hosts: { [MX]: 'off' } }, 'NOTFOUND '],

  ['an enforced policy: the host by its name', { fetched: ENFORCE }, SECURE],
  ['an enforced policy and unusable TLSA', { fetched: ENFORCE, hosts: { [MX]: 'unusable' } }, SECURE],
  ['a testing policy enforces nothing', { fetched: TESTING }, 'NOTFOUND '],
  ['a testing policy where the zone enforces those', { fetched: TESTING, zone: { testing: 'enforce' } }, SECURE],
  ['an enforced policy that names no host', { fetched: published('enforce', 'other.test') }, 'TEMP sts-mx-mismatch'],
  [
    'a host that the policy does not name is not in the list',
    { fetched: ENFORCE, hosts: two('absent', 'absent') },
    SECURE,
  ],
  [
    'a wildcard becomes the names of the hosts it means, which are one label deep',
    {
      fetched: published('enforce', '*.example.test'),
      hosts: { 'mx1.example.test': 'absent', 'mx2.example.test': 'absent', 'a.b.example.test': 'absent' },
    },
    'OK secure match=mx1.example.test:mx2.example.test servername=hostname',
  ],
  ['a Postfix that cannot send SNI by policy', { fetched: ENFORCE, zone: { sni: false } }, `OK secure match=${MX}`],

  ['usable TLSA of every host', { hosts: { [MX]: 'usable' } }, 'OK dane-only'],
  ['usable TLSA of both hosts', { hosts: two('usable', 'usable') }, 'OK dane-only'],
  [
    'usable TLSA and an enforced policy: TLSA win (D-1)',
    { fetched: ENFORCE, hosts: { [MX]: 'usable' } },
    'OK dane-only',
  ],
  ['usable TLSA of one host: each is looked at', { hosts: two('usable', 'absent') }, 'OK dane'],
  ['usable TLSA of one, unusable ones of the other', { hosts: two('usable', 'unusable') }, 'OK dane'],
  ['usable TLSA of one, a failed lookup of the other', { hosts: two('usable', 'failure') }, 'OK dane'],
  ['usable TLSA behind an insecure MX', { hosts: { [MX]: 'usable-insecure-mx' } }, 'OK dane'],
  [
    'usable TLSA of one host and an enforced policy: hosts without TLSA would be taken with anything',
    { fetched: published('enforce', '*.example.test'), hosts: two('usable', 'absent') },
    'OK dane-only',
  ],
  [
    'usable TLSA of the named host, none of one that the policy forbids',
    { fetched: ENFORCE, hosts: two('usable', 'absent') },
    'OK dane-only',
  ],
  [
    'an enforced policy and TLSA behind an insecure MX: only the policy shows whose host it is',
    { fetched: ENFORCE, hosts: { [MX]: 'usable-insecure-mx' } },
    SECURE,
  ],

  ['unusable TLSA of every host', { hosts: { [MX]: 'unusable' } }, 'OK encrypt'],
  ['unusable TLSA behind an insecure MX', { hosts: { [MX]: 'unusable-insecure-mx' } }, 'OK encrypt'],
  ['unusable TLSA of one host, none of the other', { hosts: two('unusable', 'absent') }, 'OK dane'],
  ['a failed TLSA lookup', { hosts: { [MX]: 'failure' } }, 'TEMP tlsa-lookup-failed'],
  ['a failed TLSA lookup of one host, none of the other', { hosts: two('failure', 'absent') }, 'OK dane'],
  [
    'a failed TLSA lookup and an enforced policy',
    { fetched: ENFORCE, hosts: { [MX]: 'failure' } },
    'TEMP tlsa-lookup-failed',
  ],

  ['require = "pkix"', { judge: { overrides: demanded('pkix') } }, SECURE],
  ['require = "encrypted"', { judge: { overrides: demanded('encrypted') } }, 'OK encrypt'],
  ['require = "dane", and TLSA', { judge: { overrides: demanded('dane') }, hosts: { [MX]: 'usable' } }, 'OK dane-only'],
  ['require = "dane", and no TLSA: Postfix refuses', { judge: { overrides: demanded('dane') } }, 'OK dane-only'],
  [
    'require = "dane", and TLSA of one host',
    { judge: { overrides: demanded('dane') }, hosts: two('usable', 'absent') },
    'OK dane-only',
  ],
  [
    'require = "encrypted", and TLSA of one host: the other must not be taken in clear',
    { judge: { overrides: demanded('encrypted') }, hosts: two('usable', 'absent') },
    'OK dane-only',
  ],
  [
    'require = "encrypted", and TLSA of one host behind an insecure MX',
    { judge: { overrides: demanded('encrypted') }, hosts: two('usable-insecure-mx', 'absent') },
    'OK encrypt',
  ],
  [
    'require = "encrypted", a failed lookup and no TLSA: neither dane nor encrypt would be enough',
    { judge: { overrides: demanded('encrypted') }, hosts: two('failure', 'absent') },
    'TEMP tlsa-lookup-failed',
  ],
  ['a zone demands like an override', { zone: { require: 'pkix' } }, SECURE],

  ['waived MTA-STS', { fetched: ENFORCE, judge: { overrides: waived('mta-sts') } }, 'OK may'],
  [
    'waived DANE must not be done by the default of Postfix',
    { hosts: { [MX]: 'usable' }, judge: { overrides: waived('dane') } },
    'OK may',
  ],
  [
    'waived DANE leaves the policy',
    { fetched: ENFORCE, hosts: { [MX]: 'usable' }, judge: { overrides: waived('dane') } },
    SECURE,
  ],
  ['a waiver of what nobody published', { judge: { overrides: waived('dane') } }, 'NOTFOUND '],
  ['observed MTA-STS', { fetched: ENFORCE, ...observe }, 'OK may'],
  ['observed DANE', { hosts: { [MX]: 'usable' }, ...observe }, 'OK may'],
  ['observed, and nothing to observe', observe, 'NOTFOUND '],
  ['a zone observes', { fetched: ENFORCE, zone: { enforcement: 'observe' } }, 'OK may'],

  ['a preloaded policy', { judge: { preload: () => preloaded(MX) } }, SECURE],
  ['a policy cache that cannot answer', { fetched: UNAVAILABLE }, 'TEMP policy-unavailable'],
  ['DNS cannot say whether there is a policy', { fetched: UNCERTAIN }, 'NOTFOUND '],
  ['the same, where the zone waits', { fetched: UNCERTAIN, zone: { uncertain: 'defer' } }, 'TEMP policy-uncertain'],
  [
    'the same, with what DNSSEC proves',
    { fetched: UNCERTAIN, zone: { uncertain: 'defer' }, hosts: { [MX]: 'usable' } },
    'OK dane-only',
  ],

  ['a failed MX lookup', { nobody: 'failure' }, 'TEMP mx-lookup-failed'],
  ['a null MX', { nobody: 'null-mx' }, 'NOTFOUND '],
  ['no such domain', { nobody: 'domain-not-found' }, 'NOTFOUND '],
  ['hosts without addresses', { nobody: 'no-address' }, 'NOTFOUND '],
  ['no such domain, and an enforced policy of it', { nobody: 'domain-not-found', fetched: ENFORCE }, 'TEMP no-host'],

  [
    'a host in brackets: no MX lookup, and its own name is what counts',
    { hosts: { [MX]: { mxHostname: domain(MX), origin: byRoute, dane: DANE.usable } } },
    'OK dane-only',
  ],
]

for (const [rule, told, text] of RULES) {
  test(`Postfix is told: ${rule}`, () => {
    assert.equal(textTo(told), text)
  })
}

function preloaded(...mx: [string]) {
  const [first] = mx
  return { entries: new Map([[nextHop, { mode: 'enforce', mx: [pattern(first)] } as const]]), expiresAt: undefined }
}

const TLSRPT = { tlsrpt: true } as const
const ATTRIBUTES =
  'policy_type=sts policy_domain=example.test { policy_string = version: STSv1 } { policy_string = mode: MODE } ' +
  '{ policy_string = mx: mx.example.test } { policy_string = max_age: 86400 } mx_host_pattern=mx.example.test'

test('TLSRPT is told of an enforced policy, as published', () => {
  assert.equal(textTo({ fetched: ENFORCE, zone: TLSRPT }), `${SECURE} ${ATTRIBUTES.replace('MODE', 'enforce')}`)
})

test('TLSRPT is told of a testing policy, which enforces nothing', () => {
  assert.equal(textTo({ fetched: TESTING, zone: TLSRPT }), `OK may ${ATTRIBUTES.replace('MODE', 'testing')}`)
})

test('TLSRPT is told that no host is one of the policy, and Postfix uses none', () => {
  const text = textTo({ fetched: published('enforce', 'other.test'), zone: TLSRPT })
  assert.match(
    text,
    /^OK secure servername=hostname policy_type=sts .* mx_host_pattern=other\.test policy_failure=validation-failure$/,
  )
})

const WITHOUT_ATTRIBUTES: readonly (readonly [string, Told])[] = [
  ['DANE', { fetched: ENFORCE, hosts: { [MX]: 'usable' } }],
  ['unusable TLSA', { fetched: TESTING, hosts: { [MX]: 'unusable' } }],
  ['a preloaded policy', { judge: { preload: () => preloaded(MX) } }],
  ['a waived policy', { fetched: ENFORCE, judge: { overrides: [...waived('mta-sts'), ...demanded('pkix')] } }],
  ['an observed policy', { fetched: ENFORCE, judge: { enforcement: 'observe', overrides: demanded('pkix') } }],
  ['a testing policy under require = "pkix"', { fetched: TESTING, judge: { overrides: demanded('pkix') } }],
  ['a testing policy that does not name every host', { fetched: TESTING, hosts: two('absent', 'absent') }],
  ['no policy', {}],
]

for (const [what, told] of WITHOUT_ATTRIBUTES) {
  test(`no attributes of a policy that Postfix must not go by: ${what}`, () => {
    const plain = replyTo(told)
    assert.equal(textTo({ ...told, zone: TLSRPT }), replyText(plain))
    assert.doesNotMatch(replyText(plain), /policy_/)
  })
}

test('a wildcard is told to TLSRPT as it was published', () => {
  const told = { fetched: published('enforce', '*.example.test'), zone: TLSRPT }
  assert.match(textTo(told), / mx_host_pattern=\*\.example\.test$/)
})

test('patterns that mean a host of the domain are told however many others there are', () => {
  const others = Array.from({ length: 500 }, (_, index) => `mx${index}.other.test`)
  const text = textTo({ fetched: published('enforce', ...others, MX), zone: TLSRPT })
  assert.match(text, /mx_host_pattern=mx\.example\.test /)
  assert(text.length < 50_000, 'far below the 100,000 octets that Postfix reads')
})

test('no line of a policy can end its attribute or begin another one', () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('x: } match=evil.test {', 'a { b', '}', 'é', 'a\tb'),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), (extra) => {
      assert(ENFORCE.kind === 'policy')
      const { policy } = ENFORCE
      const fetched = { ...ENFORCE, policy: { ...policy, lines: [...policy.lines, ...extra] } }
      const text = textTo({ fetched, zone: TLSRPT })
      const attributes = text.replaceAll(/\{ policy_string = [^{}]* \} /g, '')
      assert.equal(attributes, `${SECURE} policy_type=sts policy_domain=example.test mx_host_pattern=mx.example.test`)
    }),
  )
})

/** What Postfix demands of one host by the level it was told, as TLS_README has it. */
const DEMANDS = { absent: 0, unusable: 1, usable: 2, failure: 3 } as const
test('whatever TLSA and policy there are, Postfix never demands less of a host than the relay, but for the rows D-1 and D-8', () => {
  const states = Object.keys(DANE) as (keyof typeof DANE)[]
  const secureStates = states.filter((state) => !state.endsWith('-insecure-mx'))
  const policies = [undefined, ENFORCE, TESTING, published('enforce', '*.example.test')]
  for (const fetched of policies)
    for (const first of secureStates)
      for (const second of secureStates) {
        const reply = replyTo({ fetched, hosts: two(first, second) })
        const what = `${first}, ${second}, ${fetched?.kind === 'policy' ? fetched.mode : 'no policy'}: ${replyText(reply)}`
        if (reply.kind === 'temporary') continue
        const level = reply.kind === 'ok' ? reply.level : 'none'
        const enforced = fetched?.kind === 'policy' && fetched.mode === 'enforce'
        // An enforced policy is never left to chance.
        if (enforced) assert(level === 'secure' || level === 'dane-only', what)
        // TLSA that can be used, or that nobody can look up, are never left unread, but for the policy.
        const worst = Math.max(DEMANDS[first as keyof typeof DEMANDS], DEMANDS[second as keyof typeof DEMANDS])
        if (worst >= DEMANDS.usable && !enforced) assert(level === 'dane' || level === 'dane-only', what)
        if (worst === DEMANDS.unusable && !enforced) assert(level === 'dane' || level === 'encrypt', what)
        if (worst === DEMANDS.absent && !enforced) assert.equal(level, 'none', what)
      }
})
