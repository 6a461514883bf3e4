/** Table A, rows 23 to 35: the Report column. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDomainName } from './domain-name.ts'
import type { NameFact, PeerFacts, PkixFact } from './peer-facts.ts'
import type { ProofRequirement } from './requirement.ts'
import { type DomainResult, type FailureDetail, sessionResults, unreachableResults } from './session-result.ts'
import type { Channel } from './verdict.ts'

const mx = parseDomainName('mx.example.test')
assert(mx.ok)
const matched: NameFact = { kind: 'matched', name: mx.value }
const mismatched: NameFact = { kind: 'mismatched', name: mx.value }
const trusted: PkixFact = { kind: 'trusted' }
const untrusted = (code: string): PkixFact => ({ kind: 'untrusted', code })

const FACTS: Omit<PeerFacts, 'pkix' | 'name'> = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  keyExchange: undefined,
  chain: [
    {
      der: new Uint8Array(),
      ...{ fingerprintSha256: '', subject: '', issuer: '', subjectAltName: '' },
      ...{ validFrom: 0, validTo: 0 },
    },
  ],
  chainCut: false,
}
const tls = (pkix: PkixFact, name = matched): Channel => ({ kind: 'tls', facts: { ...FACTS, pkix, name } })
const good = tls(trusted)
const notOffered: Channel = { kind: 'clear', because: 'starttls-not-offered' }
const refused: Channel = { kind: 'clear', because: 'starttls-refused', reply: 454 }
const broken: Channel = {
  kind: 'clear',
  because: 'handshake-failed',
  failure: { kind: 'alert', alert: 'protocol-version' },
}

const none: ProofRequirement = { kind: 'prove', pkix: false, floor: 'opportunistic', tlsa: false }
const testing: ProofRequirement = { ...none, sts: { mode: 'testing', id: '1', matched: 'mx.example.test' } }
const unnamed: ProofRequirement = { ...none, sts: { mode: 'testing', id: '1', matched: undefined } }
const enforce: ProofRequirement = {
  ...{ kind: 'prove', pkix: true, floor: 'encrypted', tlsa: false },
  sts: { mode: 'enforce', id: '1', matched: 'mx.example.test' },
}

const success = (policyType: DomainResult['policyType']): DomainResult => ({
  policyType,
  outcome: { kind: 'success' },
})
const failure = (
  policyType: DomainResult['policyType'],
  ...[first, ...more]: readonly [FailureDetail, ...FailureDetail[]]
): DomainResult => ({ policyType, outcome: { kind: 'failure', details: [first, ...more] } })

const NO_STARTTLS = { resultType: 'starttls-not-supported' } as const
const REFUSED = { resultType: 'starttls-not-supported', failureReasonCode: '454' } as const
const BROKEN = { resultType: 'validation-failure', failureReasonCode: 'alert-protocol-version' } as const
const EXPIRED = { resultType: 'certificate-expired' } as const
const WRONG_NAME = { resultType: 'certificate-host-mismatch' } as const
const MISMATCH = { resultType: 'validation-failure', failureReasonCode: 'sts-mx-mismatch' } as const
const notTrusted = (failureReasonCode: string) =>
  ({ resultType: 'certificate-not-trusted', failureReasonCode }) as const

const rows: readonly (readonly [row: string, requirement: ProofRequirement, channel: Channel, result: DomainResult])[] =
  [
    ['23: no policy, STARTTLS not offered', none, notOffered, failure('no-policy-found', NO_STARTTLS)],
    ['23: no policy, STARTTLS refused', none, refused, failure('no-policy-found', REFUSED)],
    ['24: no policy, a good certificate', none, good, success('no-policy-found')],
    ['24: no policy, an expired certificate', none, tls(untrusted('CERT_HAS_EXPIRED')), success('no-policy-found')],
    ['24: no policy, a wrong name', none, tls(trusted, mismatched), success('no-policy-found')],
    ['25: no policy, handshake fails', none, broken, failure('no-policy-found', BROKEN)],
    ['26: testing, PKIX holds', testing, good, success('sts')],
    ['27: testing, expired', testing, tls(untrusted('CERT_HAS_EXPIRED')), failure('sts', EXPIRED)],
    ['27: testing, a wrong name', testing, tls(trusted, mismatched), failure('sts', WRONG_NAME)],
    ['28: testing, STARTTLS not offered', testing, notOffered, failure('sts', NO_STARTTLS)],
    ['28: testing, STARTTLS refused', testing, refused, failure('sts', REFUSED)],
    ['29: testing, handshake fails', testing, broken, failure('sts', BROKEN)],
    ['30: testing, not named, all else good', unnamed, good, failure('sts', MISMATCH)],
    ['30: testing, not named, a wrong name', unnamed, tls(trusted, mismatched), failure('sts', MISMATCH, WRONG_NAME)],
    ['30: testing, not named, no STARTTLS', unnamed, notOffered, failure('sts', MISMATCH, NO_STARTTLS)],
    ['30: testing, not named, handshake fails', unnamed, broken, failure('sts', MISMATCH, BROKEN)],
    ['32: enforce, PKIX holds', enforce, good, success('sts')],
    ['33: enforce, expired', enforce, tls(untrusted('CERT_HAS_EXPIRED')), failure('sts', EXPIRED)],
    [
      '33: enforce, not yet valid',
      enforce,
      tls(untrusted('CERT_NOT_YET_VALID')),
      failure('sts', notTrusted('CERT_NOT_YET_VALID')),
    ],
    [
      '33: enforce, self-signed',
      enforce,
      tls(untrusted('DEPTH_ZERO_SELF_SIGNED_CERT')),
      failure('sts', notTrusted('DEPTH_ZERO_SELF_SIGNED_CERT')),
    ],
    ['33: enforce, a wrong name', enforce, tls(trusted, mismatched), failure('sts', WRONG_NAME)],
    [
      '33: enforce, expired and a wrong name: the chain counts',
      enforce,
      tls(untrusted('CERT_HAS_EXPIRED'), mismatched),
      failure('sts', EXPIRED),
    ],
    ['34: enforce, STARTTLS not offered', enforce, notOffered, failure('sts', NO_STARTTLS)],
    ['34: enforce, STARTTLS refused', enforce, refused, failure('sts', REFUSED)],
    ['35: enforce, handshake fails', enforce, broken, failure('sts', BROKEN)],
    [
      '35: enforce, handshake fails in an unknown way',
      enforce,
      { kind: 'clear', because: 'handshake-failed' },
      failure('sts', { resultType: 'validation-failure', failureReasonCode: 'handshake-failed' }),
    ],
  ]

for (const [row, requirement, channel, result] of rows) {
  test(`row ${row}`, () => assert.deepEqual(sessionResults(requirement, channel), [result]))
}

test('row 31: enforce, not named: a failure without a session', () => {
  const sts = { mode: 'enforce', id: '1', matched: undefined } as const
  const unreachable = { kind: 'unreachable', reasons: [{ kind: 'sts-mx-mismatch', sts }] } as const
  assert.deepEqual(unreachableResults(unreachable), [failure('sts', MISMATCH)])
})

test('local policy is not reported: the session is one without a policy', () => {
  const local: ProofRequirement = { kind: 'prove', pkix: true, floor: 'encrypted', tlsa: false }
  assert.deepEqual(sessionResults(local, tls(untrusted('CERT_HAS_EXPIRED'))), [success('no-policy-found')])
})
