import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createKey, extension } from '../../../../test/lab/certificate-writer.ts'
import { bitString, integer, sequence, tagged, taggedPrimitive } from '../../../../test/lab/der-writer.ts'
import { NOW, writeCa, writeLeaf } from '../../../../test/lab/written-chain.ts'
import { authenticateByTlsa } from './authenticate.ts'
import { type Certificate, readCertificate } from './certificate.ts'
import { derChildren, derElement, TAG } from './der.ts'
import type { TlsaRecord } from './facts.ts'
import { readPathCertificate } from './path-certificate.ts'

const root = writeCa()
const leaf = writeLeaf({ issuer: root })

function outline(der: Uint8Array): Certificate {
  const certificate = readCertificate(der)
  assert.ok(certificate.ok)
  return certificate.value
}

function errorOf(der: Uint8Array) {
  const certificate = readCertificate(der)
  return certificate.ok ? undefined : certificate.error
}

/** The certificate with other parts in its signed part; nobody signed that. */
function rebuilt(change: (parts: readonly Uint8Array[]) => readonly Uint8Array[]): Uint8Array {
  const [tbs, algorithm, signature] = derChildren(derElement(leaf.der), TAG.sequence) ?? []
  const parts = derChildren(tbs, TAG.sequence)?.map(({ encoded }) => encoded) ?? []
  assert.ok(algorithm && signature)
  return sequence(sequence(...change(parts)), algorithm.encoded, signature.encoded)
}

describe('RFC 5280 §4.1: the outline of a certificate', () => {
  test('its parts are where OpenSSL finds them', () => {
    const read = outline(leaf.der)
    const judge = new X509Certificate(leaf.der)
    assert.equal(Buffer.from(read.serial.contents).toString('hex').toUpperCase(), judge.serialNumber)
    assert.deepEqual(Buffer.from(read.spki), judge.publicKey.export({ type: 'spki', format: 'der' }))
    assert.equal(read.der, leaf.der)
    assert.deepEqual(readPathCertificate(read)?.validity, {
      notBefore: judge.validFromDate.getTime(),
      notAfter: judge.validToDate.getTime(),
    })
  })

  test('versions 1 to 3, and extensions only in the last; DANE-EE takes the others too', () => {
    const versionOf = (der: Uint8Array) => {
      const certificate = readPathCertificate(outline(der))
      return certificate?.malformed ? undefined : certificate?.version
    }
    assert.equal(versionOf(writeLeaf({ version: 1 }).der), 1)
    const bare = { basicConstraints: null, keyUsage: null, extendedKeyUsage: null, subjectAltName: null }
    const none = { ...bare, subjectKeyId: null, authorityKeyId: null }
    assert.equal(versionOf(writeLeaf({ version: 2, extensions: none }).der), 2)
    assert.equal(versionOf(writeLeaf({ extensions: none }).der), 3)
    assert.equal(versionOf(leaf.der), 3)
    assert.equal(versionOf(writeLeaf({ version: 2 }).der), undefined)
    for (const version of [0, 3, 4]) {
      assert.equal(versionOf(rebuilt(([, ...rest]) => [tagged(0, integer(version)), ...rest])), undefined)
    }
  })

  test('unique identifiers stand before the extensions, each once', () => {
    const [issuerId, subjectId] = [1, 2].map((number) => taggedPrimitive(number, Buffer.from([0, 1])))
    const [extensions] = outline(leaf.der).tail
    assert.ok(issuerId && subjectId && extensions)
    const reads = (...parts: readonly Uint8Array[]) =>
      readPathCertificate(outline(rebuilt((all) => [...all.slice(0, -1), ...parts])))?.malformed === false
    assert.ok(reads(issuerId, subjectId, extensions.encoded))
    assert.ok(reads(subjectId))
    for (const parts of [
      [subjectId, issuerId],
      [issuerId, issuerId],
      [extensions.encoded, issuerId],
      [extensions.encoded, extensions.encoded],
      [bitString(Buffer.from([1]))],
    ]) {
      assert.ok(!reads(...parts))
    }
  })

  test('a signature is whole octets and a serial number an integer: DANE-EE asks for neither, a path for both', () => {
    const [tbs, algorithm, signature] = derChildren(derElement(leaf.der), TAG.sequence) ?? []
    assert.ok(tbs && algorithm && signature)
    const oddBits = bitString(Buffer.from([0x80]), 1)
    const oddSignature = outline(sequence(tbs.encoded, algorithm.encoded, oddBits))
    const oddSerial = outline(rebuilt(([version, , ...rest]) => [version ?? leaf.der, Buffer.from([2, 0]), ...rest]))
    for (const odd of [oddSignature, oddSerial]) assert.equal(readPathCertificate(odd)?.malformed, true)
  })

  test('anything before, after or instead makes it no certificate', () => {
    assert.equal(errorOf(Buffer.concat([leaf.der, Buffer.from([0])])), 'not-der')
    assert.equal(errorOf(leaf.der.subarray(0, -1)), 'not-der')
    assert.equal(errorOf(sequence(leaf.der)), 'malformed-outline')
    assert.equal(errorOf(rebuilt((parts) => parts.slice(0, 5))), 'malformed-outline')
    assert.equal(errorOf(Buffer.alloc(0)), 'not-der')
  })

  test('a PEM block inside is not what is read', () => {
    const other = new X509Certificate(writeLeaf({ names: ['other.example'] }).der).toString()
    const carrier = writeLeaf({ extensions: { other: extension({ id: '1.2.3', value: Buffer.from(`\n${other}`) }) } })
    // The trap that this reader exists for: given bytes, Node takes the block.
    assert.notDeepEqual(new X509Certificate(carrier.der).raw, carrier.der)
    assert.deepEqual(Buffer.from(outline(carrier.der).spki), Buffer.from(carrier.key.spki))
  })
})

describe('whatever is sent as a certificate', () => {
  const full = (
    usage: TlsaRecord['usage'],
    selector: TlsaRecord['selector'],
    associationData: Uint8Array,
  ): TlsaRecord => ({
    usage,
    selector,
    matchingType: 'full',
    associationData,
  })
  const records = [full('dane-ta', 'cert', root.der), full('dane-ta', 'spki', root.key.spki)]

  test('octets of any kind are read or refused, without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        const usable = [full('dane-ee', 'spki', octets), ...records]
        const authentication = authenticateByTlsa({ usable, referenceNames: [], chain: [{ der: octets }], now: NOW })
        assert.equal(authentication.kind, 'failed')
      }),
    )
  })

  test('a certificate with flipped octets, too: also when its issuer signed them so', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    const flipped = (octets: Uint8Array, changes: readonly (readonly [number, number])[]) => {
      const copy = Buffer.from(octets)
      for (const [at, value] of changes) copy[at % copy.length] = value
      return copy
    }
    const key = createKey()
    fc.assert(
      fc.property(flips, (changes) => {
        const signed = writeLeaf({ issuer: root, key, tamper: (tbs) => flipped(tbs, changes) })
        for (const der of [signed.der, flipped(leaf.der, changes)]) {
          authenticateByTlsa({ usable: records, referenceNames: [], chain: [{ der }, { der: root.der }], now: NOW })
        }
      }),
    )
  })

  test('nobody signs what was changed after signing: a flipped octet below the anchor is never accepted', () => {
    fc.assert(
      fc.property(fc.nat({ max: leaf.der.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const der = Buffer.from(leaf.der)
        der[at] = (der[at] ?? 0) ^ change
        const chain = [{ der }, { der: root.der }]
        const { kind } = authenticateByTlsa({ usable: records, referenceNames: [], chain, now: NOW })
        assert.equal(kind, 'failed')
      }),
    )
  })
})
