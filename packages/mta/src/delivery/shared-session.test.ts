import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Channel,
  type DomainName,
  judge,
  type PeerFacts,
  type ProofRequirement,
  parseDomainName,
  tlsRequirement,
} from '@hermetic/policy'
import fc from 'fast-check'
import { type LaneId, laneId } from './lane.ts'
import type { ProvenSession } from './session.ts'
import { sharedSession, type WantedSession } from './shared-session.ts'

const MX = name('mx.test')
const ADDRESS = '192.0.2.1'
const requirements = fc
  .record({
    local: fc.constantFrom('nothing' as const, 'encrypted' as const, 'pkix' as const),
    message: fc.constantFrom('default' as const, 'requiretls' as const, 'tls-optional' as const),
    sts: fc.constantFrom(
      undefined,
      ...(['enforce', 'testing'] as const).map((mode) => ({
        ...{ mode, id: '1' },
        policy: { mx: [{ kind: 'host', name: MX }] } as const,
      })),
    ),
  })
  .map((facts) => tlsRequirement({ ...facts, mxHostname: MX, origin: { kind: 'mx', secure: true } as never }))
  .filter((requirement) => requirement.kind === 'prove')

test('STS-06: whatever is shared is proven for the one who takes it, by its own requirement', () => {
  fc.assert(
    fc.property(requirements, requirements, fc.boolean(), (opened, requirement, trusted) => {
      const session = sessionOf(opened, trusted ? 'trusted' : 'untrusted')
      fc.pre(session !== undefined)
      const shared = sharedSession(session, { ...wanted, requirement }, 0)
      if (shared === undefined) {
        const proven = judge(requirement, session.judged).kind === 'proven'
        assert.ok(!proven || opened.message !== requirement.message)
        return
      }
      assert.deepEqual(shared.verdict, judge(requirement, session.judged))
      assert.equal(shared.verdict.kind, 'proven')
      assert.equal(shared.target.requirement, requirement)
      assert.equal(shared.target.lane, wanted.lane)
      assert.equal(shared.target.policyDomain, wanted.policyDomain)
      assert.equal(shared.connection, session.connection)
    }),
  )
})

for (const [what, other] of [
  ['host', { mxHostname: 'mx2.test' }],
  ['port', { port: 26 }],
  ['addresses', { addresses: ['192.0.2.2'] }],
  ['name to prove', { servername: name('other.test') }],
  ['login', { access: { tls: 'starttls' } }],
] as const) {
  test(`not for another ${what}`, () => {
    const requirement = plain()
    const session = sessionOf(requirement, 'trusted')
    assert(session !== undefined)
    assert.ok(sharedSession(session, { ...wanted, requirement }, 0))
    assert.equal(sharedSession(session, { ...wanted, requirement, ...other }, 0), undefined)
  })
}

test('DANE-85: not where the server would be asked for another name', () => {
  const session = sessionOf(plain(), 'trusted')
  assert(session !== undefined)
  const { requirement } = { requirement: plain() }
  const dane = { baseDomain: name('target.test'), usable: [], referenceNames: [], mxSecure: true }
  const asking = { ...requirement, dane } as unknown as ProofRequirement
  assert.equal(sharedSession(session, { ...wanted, requirement: asking }, 0), undefined)
})

const wanted: WantedSession = {
  ...{ lane: lane('b.test'), mxHostname: MX, port: 25, addresses: ['192.0.2.9', ADDRESS], servername: MX },
  ...{ policyDomain: 'b.test', requirement: plain() },
}

function sessionOf(requirement: ProofRequirement, pkix: 'trusted' | 'untrusted'): ProvenSession | undefined {
  const judged: Channel = { kind: 'tls', facts: peer(pkix) }
  const verdict = judge(requirement, judged)
  if (verdict.kind !== 'proven') return undefined
  const remote = { mxHostname: MX, address: ADDRESS, port: 25 }
  return {
    connection: {} as never,
    target: { lane: lane('a.test'), remote, servername: MX, policyDomain: 'a.test', requirement },
    ...{ verdict, judged, results: [], abort: () => undefined },
    channel: { kind: 'tls', level: verdict.level } as never,
  }
}

function plain(): ProofRequirement {
  const requirement = tlsRequirement({ local: 'nothing', mxHostname: MX })
  assert(requirement.kind === 'prove')
  return requirement
}

function peer(kind: 'trusted' | 'untrusted'): PeerFacts {
  const certificate = { der: new Uint8Array(), fingerprintSha256: '', subject: '', issuer: '' }
  return {
    ...{ protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', keyExchange: undefined, chainCut: false },
    chain: [{ ...certificate, validFrom: 0, validTo: 1, subjectAltName: '' }],
    pkix: kind === 'trusted' ? { kind } : { kind, code: 'CERT_HAS_EXPIRED' },
    name: { kind: 'matched', name: MX },
  }
}

function lane(domain: string): LaneId {
  return laneId({ kind: 'mx', nextHop: { kind: 'name', name: name(domain) }, port: 25 })
}

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok)
  return parsed.value
}
