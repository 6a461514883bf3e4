import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDomainName } from './domain-name.ts'
import { parseMxPattern } from './mta-sts/mx-match.ts'
import type { NameFact, PeerFacts, PkixFact } from './peer-facts.ts'
import { type EffectiveMode, type LocalDemand, type ProofRequirement, tlsRequirement } from './requirement.ts'
import { type Channel, type ChannelLevel, type ClearBecause, judge, type Verdict } from './verdict.ts'

const FACTS: Omit<PeerFacts, 'pkix' | 'name'> = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  keyExchange: undefined,
  chain: [
    {
      der: new Uint8Array(),
      fingerprintSha256: '',
      subject: '',
      issuer: '',
      validFrom: 0,
      validTo: 0,
      subjectAltName: '',
    },
  ],
  chainCut: false,
}

const mx = parseDomainName('mx.example.test')
assert(mx.ok)
const trusted: PkixFact = { kind: 'trusted' }
const expired: PkixFact = { kind: 'untrusted', code: 'CERT_HAS_EXPIRED' }
const matched: NameFact = { kind: 'matched', name: mx.value }
const mismatched: NameFact = { kind: 'mismatched', name: mx.value }
const notAsked: NameFact = { kind: 'not-asked' }

const clear = (because: ClearBecause): Channel => ({ kind: 'clear', because })
const tls = (pkix: PkixFact, name: NameFact): Channel => ({ kind: 'tls', facts: { ...FACTS, pkix, name } })
const proven = (level: ChannelLevel): Verdict => ({ kind: 'proven', level })
const failed = (...[first, ...rest]: (Verdict & { kind: 'failed' })['reasons']): Verdict => ({
  kind: 'failed',
  reasons: [first, ...rest],
})

const untrusted = { kind: 'certificate-untrusted', code: 'CERT_HAS_EXPIRED' } as const
const wrongName = { kind: 'certificate-name-mismatch', name: mx.value } as const
const refused = { kind: 'not-encrypted', because: 'starttls-refused' } as const

const table: readonly (readonly [rule: string, demand: LocalDemand, channel: Channel, verdict: Verdict])[] = [
  ['nothing demanded, no TLS offered', 'nothing', clear('starttls-not-offered'), proven('clear')],
  ['nothing demanded, handshake broken before', 'nothing', clear('handshake-failed'), proven('clear')],
  ['nothing demanded, an expired and misnamed certificate', 'nothing', tls(expired, mismatched), proven('encrypted')],
  [
    'nothing demanded, a good certificate proves no more than was asked',
    'nothing',
    tls(trusted, matched),
    proven('encrypted'),
  ],
  ['encryption demanded, TLS refused', 'encrypted', clear('starttls-refused'), failed(refused)],
  ['encryption demanded, any certificate', 'encrypted', tls(expired, mismatched), proven('encrypted')],
  ['PKIX demanded, TLS refused', 'pkix', clear('starttls-refused'), failed(refused)],
  ['PKIX demanded, chain and name hold', 'pkix', tls(trusted, matched), proven('pkix')],
  ['PKIX demanded, chain does not hold', 'pkix', tls(expired, matched), failed(untrusted)],
  ['PKIX demanded, name does not hold', 'pkix', tls(trusted, mismatched), failed(wrongName)],
  ['PKIX demanded, neither holds: both are told', 'pkix', tls(expired, mismatched), failed(untrusted, wrongName)],
  [
    'PKIX demanded of a host without a name',
    'pkix',
    tls(trusted, notAsked),
    failed({ kind: 'certificate-name-mismatch', name: undefined }),
  ],
]

for (const [rule, demand, channel, verdict] of table) {
  test(`${rule}: ${verdict.kind}`, () => assert.deepEqual(judge(local(demand), channel), verdict))
}

function local(demand: LocalDemand): ProofRequirement {
  const requirement = tlsRequirement({ local: demand })
  assert(requirement.kind === 'prove')
  return requirement
}

const policies: readonly (readonly [rule: string, mode: EffectiveMode, channel: Channel, verdict: Verdict])[] = [
  [
    'enforce, no TLS offered',
    'enforce',
    clear('starttls-not-offered'),
    failed({ ...refused, because: 'starttls-not-offered' }),
  ],
  ['enforce, TLS refused', 'enforce', clear('starttls-refused'), failed(refused)],
  [
    'enforce, handshake broken',
    'enforce',
    clear('handshake-failed'),
    failed({ ...refused, because: 'handshake-failed' }),
  ],
  ['enforce, chain and name hold', 'enforce', tls(trusted, matched), proven('sts')],
  ['enforce, chain does not hold', 'enforce', tls(expired, matched), failed(untrusted)],
  ['enforce, name does not hold', 'enforce', tls(trusted, mismatched), failed(wrongName)],
  ['testing, no TLS offered', 'testing', clear('starttls-not-offered'), proven('clear')],
  ['testing, TLS refused', 'testing', clear('starttls-refused'), proven('clear')],
  ['testing, handshake broken before', 'testing', clear('handshake-failed'), proven('clear')],
  ['testing, chain and name hold', 'testing', tls(trusted, matched), proven('sts')],
  ['testing, chain does not hold', 'testing', tls(expired, matched), proven('encrypted')],
  ['testing, name does not hold', 'testing', tls(trusted, mismatched), proven('encrypted')],
]

for (const [rule, mode, channel, verdict] of policies) {
  test(`${rule}: ${verdict.kind}`, () => {
    const requirement = stsRequirement(mode, 'mx.example.test')
    assert.deepEqual(judge(requirement, channel), verdict)
  })
}

test('a host that a testing policy does not name reaches no level by it, whatever its certificate', () => {
  assert.deepEqual(judge(stsRequirement('testing', 'other.test'), tls(trusted, matched)), proven('encrypted'))
})

test('an operator who demands PKIX gets it under a testing policy that does not name the host', () => {
  assert.deepEqual(judge(stsRequirement('testing', 'other.test', 'pkix'), tls(trusted, matched)), proven('pkix'))
  assert.deepEqual(judge(stsRequirement('testing', 'other.test', 'pkix'), tls(expired, matched)), failed(untrusted))
})

function stsRequirement(mode: EffectiveMode, pattern: string, demand: LocalDemand = 'nothing'): ProofRequirement {
  assert(mx.ok)
  const named = parseMxPattern(pattern)
  assert(named !== undefined)
  const requirement = tlsRequirement({
    local: demand,
    sts: { mode, id: '1', policy: { mx: [named] } },
    mxHostname: mx.value,
  })
  assert(requirement.kind === 'prove')
  return requirement
}
