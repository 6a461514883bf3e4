import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DaneFacts, type OwnerName, parseDomainName, parseOwnerName, type TlsaRecord } from '@hermetic/policy'
import { daneWords } from '../observability/delivery-record.ts'
import { daneRecord } from './dane-record.ts'

const mx = parseDomainName('mx.example.test')
assert(mx.ok)
const owner = ownerOf('_25._tcp.mx.example.test')
const record = (octets: number, matchingType: TlsaRecord['matchingType']): TlsaRecord => ({
  ...{ usage: 'dane-ee', selector: 'spki', matchingType },
  associationData: new Uint8Array(octets).fill(0xab),
})
const digest = record(32, 'sha-256')
const facts: DaneFacts & { kind: 'tlsa' } = {
  ...{ kind: 'tlsa', owner, baseDomain: mx.value, referenceNames: [mx.value], mxSecure: true, ttlSeconds: 300 },
  published: [{ usage: 3, selector: 1, matchingType: 1, associationData: digest.associationData }],
  usable: [digest],
}

function ownerOf(text: string): OwnerName {
  const parsed = parseOwnerName(text)
  assert(parsed.ok)
  return parsed.value
}

test('the record that means the peer is told as in a zone file, and the name under a DANE-TA one', () => {
  const told = daneRecord(facts, { kind: 'authenticated', record: digest, name: mx.value })
  assert.deepEqual(told, {
    ...{ kind: 'tlsa', owner, mxSecure: true, published: 1, usable: 1 },
    ...{ matched: `3 1 1 ${'ab'.repeat(32)}`, name: 'mx.example.test' },
  })
  assert.deepEqual(daneWords(told), {
    ...{ dane: '1 of 1 usable', daneOwner: owner },
    daneMatched: `3 1 1 ${'ab'.repeat(32)}`,
  })
})

test('a whole certificate in DNS is cut', () => {
  const told = daneRecord(facts, { kind: 'authenticated', record: record(2_000, 'full') })
  assert(told.kind === 'tlsa')
  assert.match(told.matched ?? '', /^3 1 0 (?:ab)+…$/)
  assert.ok((told.matched ?? '').length < 200)
})

test('a peer that no record means has none', () => {
  const failed = { kind: 'failed', reasons: [{ kind: 'no-tlsa-match' }] } as const
  assert.equal('matched' in daneRecord(facts, failed), false)
  assert.equal('matched' in daneRecord(facts, undefined), false)
})

test('an insecure MX, an absence and a failure say so in words', () => {
  assert.deepEqual(daneWords(daneRecord({ ...facts, mxSecure: false, usable: [] }, undefined)), {
    ...{ dane: '0 of 1 usable, insecure MX', daneOwner: owner },
  })
  assert.deepEqual(daneWords(daneRecord({ kind: 'none', because: 'no-tlsa', ttlSeconds: 1 }, undefined)), {
    dane: 'none: no-tlsa',
  })
  const failure = { kind: 'failure', lookup: 'tlsa', name: owner, reason: { kind: 'timeout' } } as const
  assert.deepEqual(daneWords(daneRecord(failure, undefined)), { dane: `failure: tlsa of ${owner}: timeout` })
})
