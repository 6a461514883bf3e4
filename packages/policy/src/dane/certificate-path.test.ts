import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  authorityKeyId,
  createKey,
  directoryName,
  extension,
  simpleName,
  subjectAltName,
  type WrittenCertificate,
} from '../../../../test/lab/certificate-writer.ts'
import { printableString, sequence, tagged, taggedPrimitive } from '../../../../test/lab/der-writer.ts'
import { daysFromNow, NOW, writeCa, writeLeaf } from '../../../../test/lab/written-chain.ts'
import { readCertificate } from './certificate.ts'
import { buildPath, MAX_PATH } from './certificate-path.ts'
import { type PathCertificate, readPathCertificate, sameOctets } from './path-certificate.ts'

function read({ der }: WrittenCertificate): PathCertificate {
  const outline = readCertificate(der)
  const certificate = outline.ok ? readPathCertificate(outline.value) : undefined
  assert.ok(certificate)
  return certificate
}

interface Walk {
  readonly from: WrittenCertificate
  readonly among: readonly WrittenCertificate[]
  readonly to: WrittenCertificate
}

/** The walk as places in `among`, and whether it arrived. */
function walk({ from, among, to }: Walk): readonly [readonly number[], boolean] {
  const isAnchor = ({ outline }: PathCertificate) => sameOctets(outline.der, to.der)
  const path = buildPath({ leaf: read(from), candidates: among.map(read), isAnchor, now: NOW })
  const places = path.certificates
    .slice(1)
    .map(({ outline }) => among.findIndex(({ der }) => sameOctets(der, outline.der)))
  return [places, path.anchored]
}

const root = writeCa()
const intermediate = writeCa({ issuer: root })
const leaf = writeLeaf({ issuer: intermediate })

describe('the walk from a leaf to an anchor', () => {
  test('goes by names, whatever the order and whatever else was sent', () => {
    const stranger = writeCa()
    assert.deepEqual(walk({ from: leaf, among: [intermediate, root], to: root }), [[0, 1], true])
    assert.deepEqual(walk({ from: leaf, among: [stranger, root, leaf, intermediate], to: root }), [[3, 1], true])
    assert.deepEqual(walk({ from: leaf, among: [root, stranger], to: root }), [[], false])
  })

  test('ends at the first anchor, and never at the leaf', () => {
    assert.deepEqual(walk({ from: leaf, among: [intermediate, root], to: intermediate }), [[0], true])
    assert.deepEqual(walk({ from: root, among: [root], to: root }), [[], false])
  })

  test('takes the first of several that may have issued, one that is valid now before others', () => {
    const { subject, key } = root
    const expired = writeCa({ subject, key, notAfter: daysFromNow(-0.5) })
    const longGone = writeCa({ subject, key, notBefore: daysFromNow(-20), notAfter: daysFromNow(-10) })
    const renewed = writeCa({ subject, key })
    assert.deepEqual(walk({ from: intermediate, among: [longGone, expired, root, renewed], to: root }), [[2], true])
    assert.deepEqual(walk({ from: intermediate, among: [renewed, root], to: root }), [[0], false])
    const tomorrow = writeCa({ subject, key, notBefore: daysFromNow(1), notAfter: daysFromNow(60) })
    assert.deepEqual(walk({ from: intermediate, among: [tomorrow, root], to: root }), [[1], true])
    assert.deepEqual(walk({ from: intermediate, among: [longGone, expired], to: expired }), [[1], true])
  })

  test('RFC 5280 §4.2.1.1: key identifiers, serial and issuer tell namesakes apart', () => {
    const namesake = writeCa({ subject: root.subject })
    assert.deepEqual(walk({ from: intermediate, among: [namesake, root], to: root }), [[1], true])
    const saying = (...fields: readonly Uint8Array[]) =>
      writeLeaf({
        issuer: root,
        extensions: { authorityKeyId: extension({ id: '2.5.29.35', value: sequence(...fields) }) },
      })
    const serial = Buffer.from(root.serial.toString(16).padStart(18, '0'), 'hex')
    assert.deepEqual(walk({ from: saying(taggedPrimitive(2, serial)), among: [namesake, root], to: root }), [[1], true])
    const elsewhere = saying(tagged(1, directoryName(simpleName('nobody'))))
    assert.deepEqual(walk({ from: elsewhere, among: [namesake, root], to: root }), [[], false])
    // Who says nothing is told apart by nobody.
    const silent = writeLeaf({ issuer: root, extensions: { authorityKeyId: null } })
    assert.deepEqual(walk({ from: silent, among: [namesake, root], to: root }), [[0], false])
  })

  test('identifiers count also where something else cannot be read: the reason is then that, and no detour', () => {
    const namesake = writeCa({ subject: root.subject })
    const malformed = writeCa({ issuer: root, extensions: { subjectAltName: subjectAltName() } })
    assert.deepEqual(walk({ from: malformed, among: [namesake, root], to: root }), [[1], true])
  })

  test('a key of another kind cannot have signed', () => {
    const namesake = writeCa({ subject: root.subject, key: createKey('rsa2048'), extensions: { subjectKeyId: null } })
    assert.deepEqual(walk({ from: intermediate, among: [namesake, root], to: root }), [[1], true])
  })

  test('RFC 5280 §7.1: names are the same in another string type, case or spacing', () => {
    const spelled = writeCa({ subject: simpleName('Lab  CA') })
    const below = writeLeaf({ issuer: spelled, issuerName: simpleName(' lab ca', printableString) })
    assert.deepEqual(walk({ from: below, among: [spelled], to: spelled }), [[0], true])
  })

  test('passes a self-issued certificate whose key another signed, and stops at a self-signed one', () => {
    const rollover = writeCa({ subject: root.subject, issuer: root })
    const below = writeLeaf({ issuer: rollover })
    assert.deepEqual(walk({ from: below, among: [rollover, root], to: root }), [[0, 1], true])
    const closed = writeCa({ subject: root.subject, extensions: { authorityKeyId: null, subjectKeyId: null } })
    assert.deepEqual(walk({ from: writeLeaf({ issuer: closed }), among: [closed, root], to: root }), [[0], false])
  })

  test('ends in a ring, and after a limit', () => {
    const [one, other] = [createKey(), createKey()]
    const [first, second] = [simpleName('one'), simpleName('other')]
    const ring = [
      writeCa({ key: one, subject: first, issuer: writeCa({ key: other, subject: second }) }),
      writeCa({ key: other, subject: second, issuer: writeCa({ key: one, subject: first }) }),
    ]
    const [start] = ring
    assert.ok(start)
    assert.deepEqual(walk({ from: writeLeaf({ issuer: start }), among: ring, to: root }), [[0, 1], false])
    const tower: WrittenCertificate[] = [root]
    while (tower.length < 40) tower.unshift(writeCa(tower[0] === undefined ? {} : { issuer: tower[0] }))
    const [top] = tower
    assert.ok(top)
    const [places, arrived] = walk({ from: writeLeaf({ issuer: top }), among: tower, to: root })
    assert.deepEqual([places.length + 1, arrived], [MAX_PATH, false])
  })
})

test('an authority key identifier that cannot be read is one that nobody said', () => {
  for (const value of [sequence(taggedPrimitive(3, Buffer.from([1]))), authorityKeyId(Buffer.alloc(0)).subarray(2)]) {
    const certificate = read(writeLeaf({ extensions: { authorityKeyId: extension({ id: '2.5.29.35', value }) } }))
    assert.equal(certificate.malformed, true)
  }
})
