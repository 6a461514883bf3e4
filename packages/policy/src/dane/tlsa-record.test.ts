import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { createAuthority } from '../../../../test/lab/ca.ts'
import type { TlsaRecordData } from '../dns/resolver.ts'
import { DEFAULT_DIGESTS, digestAgility } from './digest-agility.ts'
import {
  parseTlsaRdata,
  parseTlsaText,
  type TlsaDigest,
  tlsaFields,
  tlsaRdata,
  tlsaText,
  usableTlsa,
} from './tlsa-record.ts'

const pem = (await createAuthority()).certificate
const certificate = new Uint8Array(new X509Certificate(pem).raw)
const spki = new Uint8Array(createPublicKey(pem).export({ type: 'spki', format: 'der' }))
const octets = (length: number) => new Uint8Array(length).fill(7)

/** `usable`, or why not; data as octets or as their number. */
function use(fields: readonly [number, number, number], bytes: Uint8Array | number, digests = DEFAULT_DIGESTS): string {
  const [usage, selector, matchingType] = fields
  const associationData = typeof bytes === 'number' ? octets(bytes) : bytes
  const used = usableTlsa({ usage, selector, matchingType, associationData }, { digests })
  return used.ok ? 'usable' : used.error
}

describe('RFC 6698 §4.1: which records are usable', () => {
  for (const [words, fields, bytes] of [
    ['DANE-EE(3) SPKI(1) SHA2-256(1)', [3, 1, 1], 32],
    ['DANE-EE(3) Cert(0) SHA2-512(2)', [3, 0, 2], 64],
    ['DANE-TA(2) Cert(0) SHA2-256(1)', [2, 0, 1], 32],
    ['DANE-TA(2) SPKI(1) SHA2-512(2)', [2, 1, 2], 64],
    ['DANE-TA(2) Cert(0) Full(0)', [2, 0, 0], certificate],
    ['DANE-TA(2) SPKI(1) Full(0)', [2, 1, 0], spki],
    ['DANE-EE(3) Cert(0) Full(0)', [3, 0, 0], certificate],
    ['DANE-EE(3) SPKI(1) Full(0)', [3, 1, 0], spki],
  ] as const) {
    test(`${words} is`, () => assert.equal(use(fields, bytes), 'usable'))
  }

  test('DANE-48: an unknown usage, selector or matching type is not', () => {
    covers('DANE-48', { observe: 'pure' })
    assert.equal(use([4, 0, 1], 32), 'unknown-usage')
    assert.equal(use([255, 1, 1], 32), 'unknown-usage')
    assert.equal(use([3, 2, 1], 32), 'unknown-selector')
    assert.equal(use([2, 255, 1], 32), 'unknown-selector')
    assert.equal(use([3, 1, 3], 32), 'unknown-matching-type')
    assert.equal(use([3, 1, 255], 64), 'unknown-matching-type')
  })

  test('DANE-49: association data that cannot be what the fields say is not', () => {
    covers('DANE-49', { observe: 'pure' })
    for (const [matchingType, lengths] of [
      [1, [1, 16, 31, 33, 64]],
      [2, [1, 32, 63, 65]],
    ] as const) {
      for (const length of lengths) assert.equal(use([3, 1, matchingType], length), 'digest-length', `${length}`)
    }
    for (const matchingType of [0, 1, 2]) assert.equal(use([3, 0, matchingType], 0), 'empty')
    for (const garbage of [
      octets(1),
      octets(400),
      certificate.subarray(0, -1),
      Uint8Array.of(...certificate, 0),
      spki,
    ]) {
      assert.equal(use([2, 0, 0], garbage), 'not-a-certificate')
      assert.equal(use([3, 0, 0], garbage), 'not-a-certificate')
    }
    for (const garbage of [octets(91), spki.subarray(1), Uint8Array.of(...spki, 0), certificate, Uint8Array.of(0x30)]) {
      assert.equal(use([2, 1, 0], garbage), 'not-a-public-key')
    }
  })

  test('what other tools read as a certificate or key, but is not the DER of one, is not', () => {
    const key = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })
    assert.equal(use([3, 0, 0], Buffer.from(pem)), 'not-a-certificate')
    assert.equal(use([3, 1, 0], Buffer.from(String(key))), 'not-a-public-key')
    const [, , ...body] = certificate.subarray(2)
    assert.equal(
      use([3, 0, 0], Uint8Array.of(0x30, 0x83, 0, ...certificate.subarray(2, 4), ...body)),
      'not-a-certificate',
    )
    assert.equal(use([3, 0, 0], Uint8Array.of(0x30, 0x80, ...body, 0, 0)), 'not-a-certificate')
  })

  test('keys of every common kind are', () => {
    for (const key of [
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ec', { namedCurve: 'secp384r1' }),
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('ed448'),
    ]) {
      const der = key.publicKey.export({ type: 'spki', format: 'der' })
      assert.equal(use([3, 1, 0], new Uint8Array(der)), 'usable', key.publicKey.asymmetricKeyType ?? '')
    }
  })

  test('DANE-50: a digest below local policy is not', () => {
    covers('DANE-50', { observe: 'pure' })
    assert.equal(use([3, 1, 2], 64, ['sha-256']), 'disabled-digest')
    assert.equal(use([3, 1, 1], 32, ['sha-256']), 'usable')
    assert.equal(use([3, 1, 1], 32, []), 'disabled-digest')
    assert.equal(use([2, 0, 0], certificate, []), 'usable')
  })

  test('DANE-52: PKIX-TA(0) and PKIX-EE(1) never are, whatever else the record says', () => {
    covers('DANE-52', { observe: 'pure' })
    fc.assert(
      fc.property(fc.nat(1), fc.nat(255), fc.nat(255), fc.uint8Array({ maxLength: 70 }), (usage, ...fields) => {
        const [selector, matchingType, bytes] = fields
        assert.equal(use([usage, selector, matchingType], bytes), 'pkix-usage')
      }),
    )
    assert.equal(use([0, 0, 0], certificate), 'pkix-usage')
    assert.equal(use([1, 1, 1], 32), 'pkix-usage')
  })
})

describe('RFC 6698 §2.2: text', () => {
  for (const [rule, text, same] of [
    ['one space between the fields', '3 1 1 abcd', '3 1 1 abcd'],
    ['digits in groups and of either case', ' 2 0\t0  AB cd\tEf ', '2 0 0 abcdef'],
    ['leading zeros', '003 001 02 00', '3 1 2 00'],
    ['values without a meaning', '255 255 255 ff', '255 255 255 ff'],
    ['no association data', '3 1 1', '3 1 1'],
  ] as const) {
    test(`takes ${rule}`, () => {
      const parsed = parseTlsaText(text)
      assert(parsed.ok)
      assert.equal(tlsaText(parsed.value), same)
    })
  }

  for (const [rule, text, kind] of [
    ['nothing', '', 'malformed-field'],
    ['two numbers', '3 1', 'malformed-field'],
    ['more than an octet', '256 1 1 ab', 'malformed-field'],
    ['signs', '-1 1 1 ab', 'malformed-field'],
    ['mnemonics', 'DANE-EE SPKI SHA2-256 ab', 'malformed-field'],
    ['half an octet', '3 1 1 abc', 'malformed-association-data'],
    ['other letters', '3 1 1 whatever', 'malformed-association-data'],
  ] as const) {
    test(`refuses ${rule}`, () => {
      const parsed = parseTlsaText(text)
      assert.equal(parsed.ok ? 'taken' : parsed.error.kind, kind)
    })
  }

  test('a usable record prints as it was published', () => {
    const published = { usage: 3, selector: 1, matchingType: 1, associationData: octets(32) }
    const used = usableTlsa(published, { digests: DEFAULT_DIGESTS })
    assert(used.ok)
    assert.equal(tlsaText(used.value), tlsaText(published))
    assert.deepEqual(tlsaFields(used.value), published)
  })
})

const octet = fc.nat(255)
const anyRecord: fc.Arbitrary<TlsaRecordData> = fc.record(
  {
    usage: fc.oneof(fc.nat(4), octet),
    selector: fc.oneof(fc.nat(2), octet),
    matchingType: fc.oneof(fc.nat(3), octet),
    associationData: fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(certificate, spki, octets(32), octets(64)),
      // A good certificate or key with one octet changed.
      fc
        .tuple(fc.constantFrom(certificate, spki), fc.nat(), octet)
        .map(([der, at, value]) => der.with(at % der.length, value)),
    ),
  },
  { noNullPrototype: true },
)

test('text and wire form lose nothing', () => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      assert.deepEqual(parseTlsaText(tlsaText(record)), { ok: true, value: record })
      assert.deepEqual(parseTlsaRdata(tlsaRdata(record)), record)
    }),
  )
})

test('no octets and no text make a parser throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void parseTlsaRdata(bytes)))
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string()), (text) => void parseTlsaText(text)))
  fc.assert(
    fc.property(anyRecord, (record) => {
      const used = usableTlsa(record, { digests: DEFAULT_DIGESTS })
      if (used.ok) assert.deepEqual(tlsaFields(used.value), record)
    }),
    { numRuns: 2_000 },
  )
})

const VECTORS = new URL('../../../../../shared/vectors/dane.json', import.meta.url)

interface Vector {
  readonly id: string
  readonly tlsa: readonly string[]
  readonly expected: { readonly ok?: boolean; readonly decision?: string }
  readonly openssl_3_0?: { readonly usable_records: number }
}

/** OpenSSL can use PKIX-TA and PKIX-EE, we never (RFC 7672 §3.1.3). */
const PKIX_USAGES = ['dane-109', 'dane-110', 'dane-111', 'dane-112']

test('of the records of other implementations as many are usable as OpenSSL finds, or the RFC decides', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases }: { cases: readonly Vector[] } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  assert.equal(cases.length, 57)
  const different = cases.flatMap(({ id, tlsa, openssl_3_0: openssl, expected }) => {
    // The records of two cases are no hexadecimal text at all.
    const published = tlsa.flatMap((text) => {
      const parsed = parseTlsaText(text)
      return parsed.ok ? [parsed.value] : []
    })
    const count = usableOf(published).length
    if (openssl !== undefined) return count === openssl.usable_records ? [] : [id]
    assert.match(expected.decision ?? '', /^(?:pass|fail)/)
    return count === 0 ? [] : [id]
  })
  assert.deepEqual(different, PKIX_USAGES)
})

test('and the strongest digest counts among them: none of these sets publishes two', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases }: { cases: readonly Vector[] } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  for (const { id, tlsa } of cases) {
    const published = tlsa.flatMap((text) => {
      const parsed = parseTlsaText(text)
      return parsed.ok ? [parsed.value] : []
    })
    const usable = usableOf(published)
    assert.deepEqual(digestAgility(usable, DEFAULT_DIGESTS), usable, id)
  }
})

function usableOf(published: readonly TlsaRecordData[], digests: readonly TlsaDigest[] = DEFAULT_DIGESTS) {
  return published.flatMap((record) => {
    const used = usableTlsa(record, { digests })
    return used.ok ? [used.value] : []
  })
}
