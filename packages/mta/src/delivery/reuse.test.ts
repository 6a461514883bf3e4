import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Channel,
  type DomainName,
  judge,
  type LocalDemand,
  type MessageTls,
  type PeerFacts,
  type ProofRequirement,
  parseDomainName,
  tlsRequirement,
} from '@hermetic/policy'
import fc from 'fast-check'
import { type IdleFacts, isWarm, reuseVerdict } from './reuse.ts'

const nothing = local('nothing')
const warm: IdleFacts = { usable: true, idleMs: 0, ageMs: 0, transactions: 1 }
const inClear: Channel = { kind: 'clear', because: 'starttls-not-offered' }

function verdict(requirement: ProofRequirement, wanted: ProofRequirement, channel: Channel = inClear): string {
  return reuseVerdict({ requirement, channel }, wanted).kind
}

test('a warm connection that proved what is wanted may be used again', () => {
  assert.ok(isWarm(warm))
  assert.equal(verdict(nothing, nothing), 'proven')
})

for (const [what, facts] of [
  ['the peer ended', { usable: false }],
  ['waited too long', { idleMs: 10_000 }],
  ['is too old', { ageMs: 300_000 }],
  ['has carried its share', { transactions: 1_000 }],
] as const) {
  test(`not one that ${what}`, () => assert.ok(!isWarm({ ...warm, ...facts })))
}

test('not across requirements, in neither direction', () => {
  assert.equal(verdict(nothing, local('encrypted')), 'over')
  assert.equal(verdict(local('pkix'), local('encrypted')), 'over')
})

test('not under another policy, another pattern, or a policy that came or went', () => {
  const sts = { mode: 'testing', id: '1', matched: 'mx.example.test' } as const
  const proven = { ...nothing, sts }
  assert.equal(verdict(proven, { ...nothing, sts: { ...sts } }), 'proven')
  assert.equal(verdict(proven, nothing), 'over')
  assert.equal(verdict(nothing, { ...nothing, sts }), 'over')
  assert.equal(verdict(proven, { ...nothing, sts: { ...sts, id: '2' } }), 'over')
  assert.equal(verdict(proven, { ...nothing, sts: { ...sts, matched: undefined } }), 'over')
})

const policy = { mx: [{ kind: 'host', name: name() }] } as const
const trusted: Channel = { kind: 'tls', facts: peer('trusted') }
const untrusted: Channel = { kind: 'tls', facts: peer('untrusted') }

test('RFC 8689 §4.2.1: messages with and without REQUIRETLS share what proves enough for each of them', () => {
  const [plain, tagged] = [local('nothing'), local('nothing', 'requiretls')]
  assert.equal(verdict(tagged, plain, trusted), 'judged-again')
  assert.equal(verdict(plain, tagged, trusted), 'judged-again')
  assert.equal(verdict(plain, tagged, untrusted), 'other-wish')
  assert.equal(verdict(plain, tagged, inClear), 'other-wish')
  const sts = { mode: 'testing', id: '1', matched: 'mx.example.test' } as const
  assert.equal(verdict({ ...plain, sts }, tagged, trusted), 'other-wish')
})

test('a connection for messages whose sender does not care is for such only, and they take no other', () => {
  const optional = local('nothing', 'tls-optional')
  for (const other of [local('nothing'), local('nothing', 'requiretls')]) {
    assert.equal(verdict(optional, other, trusted), 'other-wish')
    assert.equal(verdict(other, optional, trusted), 'other-wish')
  }
  assert.equal(verdict(optional, optional, inClear), 'proven')
})

test('whatever is judged again is good enough for what is wanted, and no policy has changed', () => {
  const sts = fc.constantFrom(
    undefined,
    ...(['enforce', 'testing'] as const).map((mode) => ({ mode, id: '1', policy })),
  )
  const facts = fc.record({
    local: fc.constantFrom<LocalDemand>('nothing', 'encrypted', 'pkix'),
    message: fc.constantFrom<MessageTls>('default', 'requiretls', 'tls-optional'),
    enforcement: fc.constantFrom('enforce' as const, 'observe' as const),
    sts,
  })
  const channel = fc.constantFrom<Channel>(trusted, untrusted, inClear)
  fc.assert(
    fc.property(facts, facts, channel, (opened, next, shown) => {
      const [requirement, wanted] = [opened, next].map((one) =>
        tlsRequirement({ ...one, mxHostname: name(), origin: { kind: 'route' } }),
      )
      assert(requirement?.kind === 'prove' && wanted?.kind === 'prove')
      fc.pre(judge(requirement, shown).kind === 'proven')
      const reuse = reuseVerdict({ requirement, channel: shown }, wanted)
      if (reuse.kind === 'other-wish' || reuse.kind === 'over') return
      assert.equal(judge(wanted, shown).kind, 'proven')
      assert.equal(opened.message === 'tls-optional', next.message === 'tls-optional')
      assert.deepEqual(requirement.sts, wanted.sts)
    }),
  )
})

function peer(kind: 'trusted' | 'untrusted'): PeerFacts {
  const certificate = { der: new Uint8Array(), fingerprintSha256: '', subject: '', issuer: '' }
  return {
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    keyExchange: undefined,
    chain: [{ ...certificate, validFrom: 0, validTo: 1, subjectAltName: '' }],
    chainCut: false,
    pkix: kind === 'trusted' ? { kind } : { kind, code: 'CERT_HAS_EXPIRED' },
    name: { kind: 'matched', name: name() },
  }
}

function name(): DomainName {
  const parsed = parseDomainName('mx.example.test')
  assert(parsed.ok)
  return parsed.value
}

function local(demand: LocalDemand, message: MessageTls = 'default'): ProofRequirement {
  const requirement = tlsRequirement({ local: demand, message, origin: { kind: 'route' } })
  assert(requirement.kind === 'prove')
  return requirement
}
