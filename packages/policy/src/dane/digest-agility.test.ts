import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { DEFAULT_DIGESTS, digestAgility } from './digest-agility.ts'
import type { TlsaRecord } from './facts.ts'
import { parseTlsaText, type TlsaDigest, tlsaText, usableTlsa } from './tlsa-record.ts'

const SHA256 = 'aa'.repeat(32)
const OTHER_SHA256 = 'bb'.repeat(32)
const SHA512 = 'cc'.repeat(64)
const KEY = '302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1'

/** What counts of records in text form: unusable ones are dropped first, as the source does. */
function counts(texts: readonly string[], digests: readonly TlsaDigest[] = DEFAULT_DIGESTS): readonly string[] {
  const usable = texts.flatMap((text) => {
    const published = parseTlsaText(text)
    assert(published.ok, text)
    const used = usableTlsa(published.value, { digests })
    return used.ok ? [used.value] : []
  })
  return digestAgility(usable, digests).map(tlsaText)
}

test('DANE-79: of several digests the strongest counts, and all records that have it', () => {
  covers('DANE-79', { observe: 'pure' })
  assert.deepEqual(counts([`3 1 1 ${SHA256}`, `3 1 2 ${SHA512}`]), [`3 1 2 ${SHA512}`])
  assert.deepEqual(counts([`3 1 1 ${SHA256}`, `3 1 1 ${OTHER_SHA256}`]), [`3 1 1 ${SHA256}`, `3 1 1 ${OTHER_SHA256}`])
})

test('DANE-79: a malformed record of the stronger digest does not hide a good one of the weaker', () => {
  covers('DANE-79', { observe: 'pure' })
  assert.deepEqual(counts([`3 1 1 ${SHA256}`, `3 1 2 ${SHA256}`]), [`3 1 1 ${SHA256}`])
  assert.deepEqual(counts([`3 1 1 ${SHA256}`, '3 1 2']), [`3 1 1 ${SHA256}`])
})

test('DANE-80: Full(0) always counts, and other usages and selectors are not compared', () => {
  covers('DANE-80', { observe: 'pure' })
  for (const set of [
    [`3 0 1 ${SHA256}`, `3 1 2 ${SHA512}`],
    [`2 1 1 ${SHA256}`, `3 1 2 ${SHA512}`],
    [`3 1 0 ${KEY}`, `3 1 2 ${SHA512}`],
    [`2 1 0 ${KEY}`, `2 1 1 ${SHA256}`],
  ]) {
    assert.deepEqual(counts(set), set)
  }
  assert.deepEqual(counts([`3 1 0 ${KEY}`, `3 1 1 ${SHA256}`, `3 1 2 ${SHA512}`]), [`3 1 0 ${KEY}`, `3 1 2 ${SHA512}`])
})

test('the order of strength is the one that is given', () => {
  const both = [`3 1 1 ${SHA256}`, `3 1 2 ${SHA512}`]
  assert.deepEqual(counts(both, ['sha-256', 'sha-512']), [`3 1 1 ${SHA256}`])
  assert.deepEqual(counts(both, ['sha-256']), [`3 1 1 ${SHA256}`])
  assert.deepEqual(counts(both, []), [])
})

const record: fc.Arbitrary<TlsaRecord> = fc.record({
  usage: fc.constantFrom('dane-ta', 'dane-ee'),
  selector: fc.constantFrom('cert', 'spki'),
  matchingType: fc.constantFrom('full', 'sha-256', 'sha-512'),
  associationData: fc.uint8Array({ minLength: 1, maxLength: 3 }),
})
const order = fc.shuffledSubarray<TlsaDigest>(['sha-512', 'sha-256'], { minLength: 2 })

test('never is a weaker digest kept beside a stronger, and never is a usage or selector left without record', () => {
  fc.assert(
    fc.property(fc.array(record), order, (usable, strongestFirst) => {
      const kept = digestAgility(usable, strongestFirst)
      const pair = ({ usage, selector }: TlsaRecord) => `${usage} ${selector}`
      const strength = ({ matchingType }: TlsaRecord) =>
        matchingType === 'full' ? -1 : strongestFirst.indexOf(matchingType)
      for (const one of kept) {
        assert(usable.includes(one))
        const rivals = usable.filter((other) => pair(other) === pair(one) && other.matchingType !== 'full')
        assert(one.matchingType === 'full' || rivals.every((other) => strength(other) >= strength(one)))
      }
      assert.deepEqual(new Set(kept.map(pair)), new Set(usable.map(pair)))
      assert.deepEqual(digestAgility(kept, strongestFirst), kept)
    }),
  )
})
