import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  ANY_PURPOSE,
  basicConstraints,
  CLIENT_AUTH,
  createKey,
  distinguishedName,
  dnsName,
  extendedKeyUsage,
  extension,
  keyUsage,
  nameConstraints,
  SERVER_AUTH,
  subjectAltName,
  type WrittenCertificate,
} from '../../../../test/lab/certificate-writer.ts'
import {
  boolean,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  taggedPrimitive,
} from '../../../../test/lab/der-writer.ts'
import {
  NOW,
  type WrittenExtensions,
  type WrittenOptions,
  writeCa,
  writeLeaf,
} from '../../../../test/lab/written-chain.ts'
import { readCertificate } from './certificate.ts'
import { type PathCertificate, readPathCertificate } from './path-certificate.ts'
import { pathReasons } from './path-validation.ts'

function pathOf(written: readonly WrittenCertificate[]): readonly PathCertificate[] {
  return written.map(({ der }) => {
    const outline = readCertificate(der)
    const certificate = outline.ok ? readPathCertificate(outline.value) : undefined
    assert.ok(certificate)
    return certificate
  })
}

function flawsOf(...written: readonly WrittenCertificate[]): readonly string[] {
  const reasons = pathReasons({ certificates: pathOf(written), now: NOW })
  return reasons.map((reason) => (reason.kind === 'path-invalid' ? reason.code : reason.kind))
}

const root = writeCa()

function leafFlaws(options: WrittenOptions): readonly string[] {
  return flawsOf(writeLeaf({ issuer: root, ...options }), root)
}

/** An intermediate with these extensions, and the same as an anchor. */
function caFlaws(extensions: WrittenExtensions): readonly (readonly string[])[] {
  const intermediate = writeCa({ issuer: root, extensions })
  const anchor = writeCa({ extensions })
  return [
    flawsOf(writeLeaf({ issuer: intermediate }), intermediate, root),
    flawsOf(writeLeaf({ issuer: anchor }), anchor),
  ]
}

test('a path that holds has no flaw, with or without the extensions that are optional', () => {
  assert.deepEqual(leafFlaws({}), [])
  const bare = { basicConstraints: null, keyUsage: null, extendedKeyUsage: null, authorityKeyId: null }
  assert.deepEqual(leafFlaws({ extensions: bare }), [])
  assert.deepEqual(caFlaws({ keyUsage: null, subjectKeyId: null, authorityKeyId: null }), [[], []])
})

describe('RFC 5280 §4.2.1.12: purposes', () => {
  for (const [rule, purposes, flaws] of [
    ['serverAuth alone', [SERVER_AUTH], []],
    ['serverAuth among others', [CLIENT_AUTH, SERVER_AUTH], []],
    ['clientAuth alone', [CLIENT_AUTH], ['extended-key-usage']],
    ['any purpose, which no server needs', [ANY_PURPOSE], ['extended-key-usage']],
    ['none', [], ['malformed-certificate', 'extended-key-usage']],
  ] as const) {
    const expected = purposes.length === 0 ? ['malformed-certificate'] : flaws
    test(`${rule}: on the leaf, an intermediate and the anchor`, () => {
      const extensions = { extendedKeyUsage: extendedKeyUsage(...purposes) }
      assert.deepEqual(leafFlaws({ extensions }), expected)
      assert.deepEqual(caFlaws(extensions), [expected, expected])
    })
  }
})

describe('RFC 5280 §4.2.1.3: key usage', () => {
  test('a leaf may do what TLS does with a key', () => {
    for (const usage of ['digitalSignature', 'keyEncipherment', 'keyAgreement'] as const) {
      assert.deepEqual(leafFlaws({ extensions: { keyUsage: keyUsage(usage) } }), [])
    }
    assert.deepEqual(leafFlaws({ extensions: { keyUsage: keyUsage('keyCertSign') } }), ['key-usage'])
    assert.deepEqual(leafFlaws({ extensions: { keyUsage: keyUsage() } }), ['malformed-certificate'])
  })

  test('an issuer signs certificates, the anchor included', () => {
    assert.deepEqual(caFlaws({ keyUsage: keyUsage('digitalSignature', 'cRLSign') }), [['key-usage'], ['key-usage']])
    assert.deepEqual(caFlaws({ keyUsage: keyUsage('keyCertSign') }), [[], []])
  })
})

describe('RFC 5280 §4.2.1.9: basic constraints', () => {
  test('an issuer says that it is a CA, the anchor included', () => {
    for (const constraints of [null, basicConstraints(false)]) {
      assert.deepEqual(caFlaws({ basicConstraints: constraints }), [['not-a-ca'], ['not-a-ca']])
    }
    const explicit = extension({ id: '2.5.29.19', value: sequence(boolean(false)) })
    assert.deepEqual(caFlaws({ basicConstraints: explicit }), [['not-a-ca'], ['not-a-ca']])
    const notCritical = extension({ id: '2.5.29.19', value: sequence(boolean(true)) })
    assert.deepEqual(caFlaws({ basicConstraints: notCritical }), [[], []])
  })

  test('a leaf may be a CA, and its own path length is nobody’s', () => {
    assert.deepEqual(leafFlaws({ extensions: { basicConstraints: basicConstraints(true, 0) } }), [])
    assert.deepEqual(leafFlaws({ extensions: { basicConstraints: basicConstraints(false, 0) } }), [])
  })

  test('a length without CA, below zero or beyond all measure cannot be read', () => {
    const written = (...parts: readonly Uint8Array[]) => extension({ id: '2.5.29.19', value: sequence(...parts) })
    for (const constraints of [
      basicConstraints(false, 1),
      written(boolean(true), Buffer.from('0201ff', 'hex')),
      written(boolean(true), integer(2n ** 40n)),
      written(boolean(true), integer(1), integer(1)),
      written(integer(1), boolean(true)),
    ]) {
      assert.ok(caFlaws({ basicConstraints: constraints }).every(([flaw]) => flaw === 'malformed-certificate'))
    }
  })
})

describe('RFC 5280 §4.2: extensions that are not known', () => {
  const unknown = (critical: boolean) => extension({ id: '1.3.6.1.4.1.55738.666.1', critical, value: Buffer.from('?') })

  test('are ignored unless they are critical, anywhere in the path', () => {
    assert.deepEqual(caFlaws({ other: unknown(false) }), [[], []])
    const refused = ['unknown-critical-extension']
    assert.deepEqual(caFlaws({ other: unknown(true) }), [refused, refused])
    assert.deepEqual(leafFlaws({ extensions: { other: unknown(true) } }), refused)
  })

  test('policies may be critical, for none is asked for; what could demand one may not', () => {
    const anyPolicy = sequence(sequence(objectIdentifier('2.5.29.32.0')))
    assert.deepEqual(caFlaws({ other: extension({ id: '2.5.29.32', critical: true, value: anyPolicy }) }), [[], []])
    const explicitPolicy = sequence(taggedPrimitive(0, Buffer.from([0])))
    const demand = extension({ id: '2.5.29.36', critical: true, value: explicitPolicy })
    assert.deepEqual(caFlaws({ other: demand }), [['unknown-critical-extension'], ['unknown-critical-extension']])
  })

  test('one that stands twice, or cannot be read, spoils the certificate', () => {
    const again = extension({ id: '2.5.29.17', value: sequence(dnsName('mx.example.com')) })
    assert.deepEqual(leafFlaws({ extensions: { other: again } }), ['malformed-certificate'])
    for (const other of [
      sequence(objectIdentifier('1.2.3')),
      sequence(objectIdentifier('1.2.3'), octetString(Buffer.alloc(0)), octetString(Buffer.alloc(0))),
      sequence(octetString(Buffer.alloc(0)), objectIdentifier('1.2.3')),
    ]) {
      assert.deepEqual(leafFlaws({ extensions: { other } }), ['malformed-certificate'])
    }
    assert.deepEqual(leafFlaws({ extensions: { subjectAltName: subjectAltName() } }), ['malformed-certificate'])
  })
})

test('RFC 5280 §4.1.2.4: an issuer has a name, and an anchor need not say its own issuer’s', () => {
  const nameless = writeCa({ issuer: root, subject: distinguishedName() })
  assert.deepEqual(flawsOf(writeLeaf({ issuer: nameless }), nameless), ['nameless-issuer'])
  const below = writeCa({ issuer: nameless })
  assert.deepEqual(flawsOf(writeLeaf({ issuer: below }), below), [])
  const certificates = pathOf([writeLeaf({ issuer: nameless })])
  const reasons = pathReasons({ certificates, bareKey: nameless.key.spki, now: NOW })
  assert.deepEqual(reasons, [{ kind: 'path-invalid', code: 'nameless-issuer' }])
})

describe('RFC 5280 §4.1.1: signatures and keys', () => {
  const rsa = writeCa({ key: createKey('rsa2048') })
  const modern = writeCa({ key: createKey('ed25519') })

  test('ECDSA, RSA with both paddings and Ed25519 verify', () => {
    for (const [issuer, algorithm] of [
      [root, 'ecdsa-sha256'],
      [root, 'ecdsa-sha384'],
      [rsa, 'rsa-sha256'],
      [rsa, 'rsa-sha512'],
      [rsa, 'rsa-pss-sha256'],
      [modern, 'ed25519'],
    ] as const) {
      assert.deepEqual(flawsOf(writeLeaf({ issuer, algorithm }), issuer), [], algorithm)
      const forged = writeLeaf({
        issuer,
        algorithm,
        signer: createKey(algorithm.startsWith('rsa') ? 'rsa2048' : algorithm === 'ed25519' ? 'ed25519' : 'p256'),
      })
      assert.deepEqual(flawsOf(forged, issuer), ['signature-invalid'], algorithm)
    }
  })

  test('RFC 8446 §4.2.3: MD5, SHA-1 and SHA-224 do not', () => {
    for (const [issuer, algorithm] of [
      [root, 'ecdsa-sha1'],
      [root, 'ecdsa-sha224'],
      [rsa, 'rsa-sha1'],
      [rsa, 'rsa-md5'],
    ] as const) {
      assert.deepEqual(flawsOf(writeLeaf({ issuer, algorithm }), issuer), ['signature-algorithm'], algorithm)
    }
  })

  test('the anchor’s own signature is nobody’s concern', () => {
    const old = writeCa({ key: createKey('rsa2048'), algorithm: 'rsa-sha1' })
    assert.deepEqual(flawsOf(writeLeaf({ issuer: old }), old), [])
  })

  test('short keys neither issue nor authenticate', () => {
    const short = writeCa({ key: createKey('rsa1024') })
    const small = writeCa({ key: createKey('p192') })
    for (const issuer of [short, small]) assert.deepEqual(flawsOf(writeLeaf({ issuer }), issuer), ['issuer-key'])
    for (const name of ['rsa1024', 'p192'] as const) assert.deepEqual(leafFlaws({ key: createKey(name) }), ['leaf-key'])
  })

  test('RFC 5280 §4.1.1.2: the algorithm outside is the one that was signed', () => {
    assert.deepEqual(leafFlaws({ outerAlgorithm: 'ecdsa-sha384' }), ['algorithm-mismatch'])
  })

  test('a signature of one kind under a key of another is none', () => {
    assert.deepEqual(leafFlaws({ signer: createKey('rsa2048') }), ['issuer-key'])
  })
})

test('RFC 5280 §6.1.3: constraints hold for every name below, self-issued intermediates excepted', () => {
  const permit = { nameConstraints: nameConstraints({ permitted: [dnsName('example.com')] }) }
  const narrow = writeCa({ extensions: permit })
  assert.deepEqual(flawsOf(writeLeaf({ issuer: narrow }), narrow), [])
  assert.deepEqual(flawsOf(writeLeaf({ issuer: narrow, names: ['mx.example.net'] }), narrow), ['name-not-permitted'])
  const strange = { subjectAltName: subjectAltName(dnsName('ca.example.net')) }
  const between = writeCa({ issuer: narrow, extensions: strange })
  assert.deepEqual(flawsOf(writeLeaf({ issuer: between }), between, narrow), ['name-not-permitted'])
  const rollover = writeCa({ issuer: narrow, subject: narrow.subject, extensions: strange })
  assert.deepEqual(flawsOf(writeLeaf({ issuer: rollover }), rollover, narrow), [])
  const likeItsIssuer = { subject: narrow.subject, names: ['mx.example.net'] }
  assert.deepEqual(flawsOf(writeLeaf({ issuer: narrow, ...likeItsIssuer }), narrow), ['name-not-permitted'])
  // A constraint on the leaf itself governs nothing.
  const excluding = { nameConstraints: nameConstraints({ excluded: [dnsName('example.com')] }) }
  assert.deepEqual(leafFlaws({ extensions: excluding }), [])
})
