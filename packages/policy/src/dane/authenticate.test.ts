import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import {
  basicConstraints,
  CLIENT_AUTH,
  createKey,
  distinguishedName,
  extendedKeyUsage,
  keyUsage,
  simpleName,
  type WrittenCertificate,
} from '../../../../test/lab/certificate-writer.ts'
import { daysFromNow, NOW, tlsaAssociation, writeCa, writeLeaf } from '../../../../test/lab/written-chain.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { authenticateByTlsa, type PeerToAuthenticate } from './authenticate.ts'
import type { DaneReason, TlsaRecord } from './facts.ts'

const USAGES = { 2: 'dane-ta', 3: 'dane-ee' } as const
const SELECTORS = { 0: 'cert', 1: 'spki' } as const
const MATCHING_TYPES = { 0: 'full', 1: 'sha-256', 2: 'sha-512' } as const
type Parameters = `${keyof typeof USAGES} ${keyof typeof SELECTORS} ${keyof typeof MATCHING_TYPES}`

/** `tlsa('3 1 1', leaf)`: a record that means this certificate. */
function tlsa(parameters: Parameters, certificate: WrittenCertificate): TlsaRecord {
  const [usage, selector, matchingType] = parameters.split(' ').map(Number) as [2 | 3, 0 | 1, 0 | 1 | 2]
  const kind = { selector: SELECTORS[selector], matchingType: MATCHING_TYPES[matchingType] }
  return { usage: USAGES[usage], ...kind, associationData: tlsaAssociation(certificate, kind) }
}

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok, text)
  return name.value
}

const mx = domain('mx.example.com')

interface Peer extends Partial<Omit<PeerToAuthenticate, 'chain' | 'usable'>> {
  readonly chain: readonly WrittenCertificate[]
  readonly usable: readonly TlsaRecord[]
}

function authenticate(peer: Peer) {
  return authenticateByTlsa({ referenceNames: [mx], now: NOW, ...peer })
}

function assertPasses(peer: Peer, message?: string): void {
  const authentication = authenticate(peer)
  const why = authentication.kind === 'failed' ? JSON.stringify(authentication.reasons) : ''
  assert.equal(authentication.kind, 'authenticated', `${message ?? ''} ${why}`)
}

function assertFails(peer: Peer, ...reasons: readonly DaneReason[]): void {
  assert.deepEqual(authenticate(peer), { kind: 'failed', reasons })
}

const NO_MATCH: DaneReason = { kind: 'no-tlsa-match' }

function invalid(code: string): DaneReason {
  return { kind: 'path-invalid', code }
}

const root = writeCa()
const intermediate = writeCa({ issuer: root })
const leaf = writeLeaf({ issuer: intermediate })
const chain = [leaf, intermediate, root]
const stranger = writeCa()

describe('RFC 7671 §5.1: DANE-EE(3)', () => {
  test('DANE-53 DANE-54: every selector and matching type finds the leaf, and only the leaf', () => {
    covers(['DANE-53', 'DANE-54'], { observe: 'pure' })
    for (const parameters of ['3 0 0', '3 0 1', '3 0 2', '3 1 0', '3 1 1', '3 1 2'] as const) {
      assertPasses({ chain, usable: [tlsa(parameters, leaf)] }, parameters)
      for (const other of [intermediate, root, stranger]) {
        assertFails({ chain, usable: [tlsa(parameters, other)] }, NO_MATCH)
      }
    }
  })

  test('DANE-61: a self-signed leaf that the record means is enough, and no other certificate of the chain is', () => {
    covers('DANE-61', { observe: 'pure' })
    const selfSigned = writeLeaf()
    assertPasses({ chain: [selfSigned], usable: [tlsa('3 0 1', selfSigned)] })
    // The key alone counts with SPKI(1): a renewed certificate keeps matching, and stops with Cert(0).
    const renewed = writeLeaf({ key: selfSigned.key })
    assertPasses({ chain: [renewed], usable: [tlsa('3 1 1', selfSigned)] })
    assertFails({ chain: [renewed], usable: [tlsa('3 0 1', selfSigned)] }, NO_MATCH)
    assertFails({ chain: [intermediate, leaf], usable: [tlsa('3 1 1', leaf)] }, NO_MATCH)
  })

  test('DANE-62: names do not matter', () => {
    covers('DANE-62', { observe: 'pure' })
    const elsewhere = writeLeaf({ names: ['other.example'] })
    assertPasses({ chain: [elsewhere], usable: [tlsa('3 1 1', elsewhere)] })
  })

  test('DANE-63: neither do dates, past or future', () => {
    covers('DANE-63', { observe: 'pure' })
    const expired = writeLeaf({ notBefore: daysFromNow(-400), notAfter: daysFromNow(-300) })
    const early = writeLeaf({ notBefore: daysFromNow(300), notAfter: daysFromNow(400) })
    for (const one of [expired, early]) assertPasses({ chain: [one], usable: [tlsa('3 1 1', one)] })
  })

  test('DANE-64: nor purposes, key usage, constraints, critical extensions, algorithms or who signed', () => {
    covers('DANE-64', { observe: 'pure' })
    for (const odd of [
      writeLeaf({ extensions: { extendedKeyUsage: extendedKeyUsage(CLIENT_AUTH) } }),
      writeLeaf({ extensions: { keyUsage: keyUsage('cRLSign') } }),
      writeLeaf({ extensions: { basicConstraints: basicConstraints(true, 0) } }),
      writeLeaf({ issuer: stranger, signer: createKey() }),
      writeLeaf({ version: 1 }),
      writeLeaf({ version: 2 }),
      writeLeaf({ key: createKey('rsa1024'), algorithm: 'rsa-sha1' }),
    ]) {
      assertPasses({ chain: [odd], usable: [tlsa('3 0 1', odd)] })
    }
  })

  test('a leaf that is no certificate matches nothing', () => {
    const garbage = { ...leaf, der: Buffer.from('3003020101', 'hex') }
    assertFails({ chain: [garbage], usable: [tlsa('3 0 0', garbage)] }, NO_MATCH)
    assertFails({ chain: [], usable: [tlsa('3 1 1', leaf)] }, NO_MATCH)
  })
})

test('DANE-60: one record that matches is enough, whatever else is published and of either usage', () => {
  covers('DANE-60', { observe: 'pure' })
  assertPasses({ chain, usable: [tlsa('3 1 1', stranger), tlsa('3 1 1', leaf)] })
  assertPasses({ chain, usable: [tlsa('3 1 1', stranger), tlsa('2 0 1', stranger), tlsa('2 1 1', root)] })
  assertPasses({ chain: [leaf], usable: [tlsa('2 1 1', root), tlsa('3 1 1', leaf)] })
  assertFails({ chain, usable: [tlsa('3 1 1', stranger), tlsa('2 1 1', stranger)] }, NO_MATCH)
})

test('what authenticated is told: the record, and with DANE-TA the name that the certificate carries', () => {
  const [ee, ta] = [tlsa('3 1 1', leaf), tlsa('2 1 1', root)]
  assert.deepEqual(authenticate({ chain, usable: [ta, ee] }), { kind: 'authenticated', record: ee })
  assert.deepEqual(authenticate({ chain, usable: [ta] }), { kind: 'authenticated', record: ta, name: mx })
})

describe('RFC 7671 §5.2: DANE-TA(2)', () => {
  test('DANE-53 DANE-54: every selector and matching type finds the anchor, above the leaf only', () => {
    covers(['DANE-53', 'DANE-54'], { observe: 'pure' })
    for (const parameters of ['2 0 0', '2 0 1', '2 0 2', '2 1 0', '2 1 1', '2 1 2'] as const) {
      for (const anchor of [intermediate, root]) {
        assertPasses({ chain, usable: [tlsa(parameters, anchor)] }, parameters)
      }
      // A trust anchor is not part of the path that it validates (RFC 5280 §6.1).
      assertFails({ chain, usable: [tlsa(parameters, leaf)] }, NO_MATCH)
      assertFails({ chain: [...chain, stranger], usable: [tlsa(parameters, stranger)] }, NO_MATCH)
    }
  })

  test('DANE-65: leaf and intermediates must be valid now, and the reason tells which is not', () => {
    covers('DANE-65', { observe: 'pure' })
    const expired = writeLeaf({ issuer: intermediate, notAfter: daysFromNow(-0.5) })
    const early = writeLeaf({ issuer: intermediate, notBefore: daysFromNow(1) })
    const usable = [tlsa('2 0 1', root)]
    assertFails({ chain: [expired, intermediate, root], usable }, { kind: 'certificate-expired', depth: 0 })
    assertFails({ chain: [early, intermediate, root], usable }, { kind: 'certificate-not-yet-valid', depth: 0 })
    const past = writeCa({ issuer: root, notAfter: daysFromNow(-0.5) })
    const below = writeLeaf({ issuer: past })
    assertFails({ chain: [below, past, root], usable }, { kind: 'certificate-expired', depth: 1 })
  })

  test('dates end with the second of notAfter, and begin with that of notBefore', () => {
    const usable = [tlsa('2 0 1', root)]
    const short = writeLeaf({ issuer: root, notBefore: NOW, notAfter: NOW + 1000 })
    assertPasses({ chain: [short, root], usable })
    assertPasses({ chain: [short, root], usable, now: NOW + 999 })
    assertFails({ chain: [short, root], usable, now: NOW + 1000 }, { kind: 'certificate-expired', depth: 0 })
    assertFails({ chain: [short, root], usable, now: NOW - 1 }, { kind: 'certificate-not-yet-valid', depth: 0 })
  })

  test('an expired anchor anchors nothing', () => {
    const past = writeCa({ notAfter: daysFromNow(-0.5) })
    const below = writeLeaf({ issuer: past })
    for (const parameters of ['2 0 0', '2 1 1'] as const) {
      assertFails({ chain: [below, past], usable: [tlsa(parameters, past)] }, { kind: 'certificate-expired', depth: 1 })
    }
  })

  test('the anchor is looked for in what was sent, in any order and among strangers, with no root store', () => {
    const usable = [tlsa('2 0 1', root)]
    assertPasses({ chain: [leaf, stranger, root, stranger, intermediate, intermediate], usable })
    assertFails({ chain: [leaf, root], usable }, NO_MATCH)
    assertFails({ chain: [leaf, intermediate], usable }, NO_MATCH)
  })

  test('an anchor that DNS has in full need not be sent; its digest is not enough', () => {
    assertPasses({ chain: [leaf, intermediate], usable: [tlsa('2 0 0', root)] })
    assertPasses({ chain: [leaf], usable: [tlsa('2 0 0', intermediate)] })
    assertFails({ chain: [leaf], usable: [tlsa('2 0 0', root)] }, NO_MATCH)
    // Not even together: which certificate the digest means is said by nobody.
    assertFails({ chain: [leaf], usable: [tlsa('2 0 0', stranger), tlsa('2 0 1', intermediate)] }, NO_MATCH)
  })

  test('DANE-68: a bare key in DNS anchors what it signed, and dates still count', () => {
    covers('DANE-68', { observe: 'pure' })
    assertPasses({ chain: [leaf, intermediate], usable: [tlsa('2 1 0', root)] })
    assertPasses({ chain: [leaf], usable: [tlsa('2 1 0', intermediate)] })
    assertFails({ chain: [leaf], usable: [tlsa('2 1 0', root)] }, NO_MATCH)
    assertFails({ chain: [leaf], usable: [tlsa('2 1 1', intermediate)] }, NO_MATCH)
    const past = writeCa({ issuer: root, notAfter: daysFromNow(-0.5) })
    const below = writeLeaf({ issuer: past })
    assertFails({ chain: [below, past], usable: [tlsa('2 1 0', root)] }, { kind: 'certificate-expired', depth: 1 })
    const forged = writeCa({ issuer: root, signer: createKey() })
    assertFails({ chain: [writeLeaf({ issuer: forged }), forged], usable: [tlsa('2 1 0', root)] }, NO_MATCH)
  })

  test('a bare key does not help past a certificate that was sent above', () => {
    const odd = writeCa({ subject: distinguishedName(), extensions: { basicConstraints: basicConstraints(false) } })
    const below = writeLeaf({ issuer: odd })
    assertFails({ chain: [below, odd], usable: [tlsa('2 1 0', odd)] }, invalid('nameless-issuer'), invalid('not-a-ca'))
  })

  test('DANE-70: path length of the anchor and of every CA below it holds; self-issued ones do not count', () => {
    covers('DANE-70', { observe: 'pure' })
    const lengthZero = { basicConstraints: basicConstraints(true, 0) }
    const strict = writeCa({ extensions: lengthZero })
    const middle = writeCa({ issuer: strict })
    const usable = [tlsa('2 0 1', strict)]
    assertPasses({ chain: [writeLeaf({ issuer: strict }), strict], usable })
    assertFails({ chain: [writeLeaf({ issuer: middle }), middle, strict], usable }, invalid('path-length'))
    const rollover = writeCa({ issuer: strict, subject: strict.subject })
    assertPasses({ chain: [writeLeaf({ issuer: rollover }), rollover, strict], usable })
    const narrow = writeCa({ issuer: root, extensions: lengthZero })
    const deeper = writeCa({ issuer: narrow })
    const deep = [writeLeaf({ issuer: deeper }), deeper, narrow, root]
    assertFails({ chain: deep, usable: [tlsa('2 1 1', root)] }, invalid('path-length'))
  })

  test('DANE-71: only a CA issues: no leaf, and no certificate that does not say so', () => {
    covers('DANE-71', { observe: 'pure' })
    const usable = [tlsa('2 0 1', root)]
    const victim = writeLeaf({ issuer: leaf })
    assertFails({ chain: [victim, leaf, intermediate, root], usable }, invalid('not-a-ca'), invalid('key-usage'))
    // Published as an anchor, a leaf still issues nothing.
    assertFails({ chain: [victim, leaf], usable: [tlsa('2 1 1', leaf)] }, invalid('not-a-ca'), invalid('key-usage'))
    const silent = writeCa({ issuer: root, extensions: { basicConstraints: null } })
    assertFails({ chain: [writeLeaf({ issuer: silent }), silent, root], usable }, invalid('not-a-ca'))
    const signless = writeCa({ issuer: root, extensions: { keyUsage: keyUsage('digitalSignature') } })
    assertFails({ chain: [writeLeaf({ issuer: signless }), signless, root], usable }, invalid('key-usage'))
  })

  test('a self-signed leaf is no anchor of its own, except by its key in full', () => {
    const selfSigned = writeLeaf()
    for (const parameters of ['2 0 0', '2 0 1', '2 1 1'] as const) {
      assertFails({ chain: [selfSigned], usable: [tlsa(parameters, selfSigned)] }, NO_MATCH)
    }
    assertPasses({ chain: [selfSigned], usable: [tlsa('2 1 0', selfSigned)] })
  })

  test('a version 1 certificate is a CA when the record says so, and else never', () => {
    const old = writeCa({ version: 1 })
    assertPasses({ chain: [writeLeaf({ issuer: old }), old], usable: [tlsa('2 0 1', old)] })
    const between = writeCa({ version: 1, issuer: root })
    const usable = [tlsa('2 0 1', root)]
    assertFails({ chain: [writeLeaf({ issuer: between }), between, root], usable }, invalid('not-a-ca'))
  })

  test('a path that the names promise and the signatures deny is none', () => {
    const impostor = writeLeaf({ issuer: intermediate, signer: createKey() })
    assertFails({ chain: [impostor, intermediate, root], usable: [tlsa('2 0 1', root)] }, invalid('signature-invalid'))
    // The real anchor, sent along with a chain that never came from it.
    const lookalike = writeCa({ subject: root.subject })
    const fake = writeLeaf({ issuer: lookalike, extensions: { authorityKeyId: null } })
    assertFails({ chain: [fake, root], usable: [tlsa('2 0 1', root)] }, invalid('signature-invalid'))
  })

  test('all that is wrong is told, the path before the dates and the name last', () => {
    const bad = writeLeaf({
      issuer: root,
      names: ['other.example'],
      notAfter: daysFromNow(-0.5),
      extensions: { extendedKeyUsage: extendedKeyUsage(CLIENT_AUTH) },
    })
    assertFails(
      { chain: [bad, root], usable: [tlsa('2 0 1', root)] },
      invalid('extended-key-usage'),
      { kind: 'certificate-expired', depth: 0 },
      { kind: 'name-mismatch', names: [mx] },
    )
  })
})

describe('RFC 7672 §3.2: names with DANE-TA', () => {
  const usable = [tlsa('2 1 1', root)]
  const named = (...names: readonly string[]) => [writeLeaf({ issuer: root, names }), root]
  const mismatch = (...names: readonly DomainName[]): DaneReason => ({ kind: 'name-mismatch', names })

  test('DANE-72: the leaf must carry the TLSA base domain', () => {
    covers('DANE-72', { observe: 'pure' })
    assertPasses({ chain: named('other.example', 'MX.Example.COM'), usable })
    assertFails({ chain: named('mx2.example.com'), usable }, mismatch(mx))
    assertFails({ chain: named('example.com'), usable }, mismatch(mx))
  })

  test('DANE-73 DANE-75: or any other reference name: the next hop, its expansion, the name before an alias', () => {
    covers(['DANE-73', 'DANE-75'], { observe: 'pure' })
    const referenceNames = [domain('exchange.example.org'), domain('example.com'), domain('expanded.example.net')]
    for (const name of referenceNames) {
      const authentication = authenticate({ chain: named(name), usable, referenceNames })
      assert.equal(authentication.kind === 'authenticated' && authentication.name, name)
    }
  })

  test('DANE-74: no name that is not among them: behind an insecure MX record only the host counts', () => {
    covers('DANE-74', { observe: 'pure' })
    assertFails({ chain: named('example.com'), usable, referenceNames: [mx] }, mismatch(mx))
    assertFails({ chain: named('mx.example.com'), usable, referenceNames: [] }, mismatch())
  })

  test('DANE-76: a common name never counts, with other names beside it or without', () => {
    covers('DANE-76', { observe: 'pure' })
    const subject = simpleName('mx.example.com')
    const bare = writeLeaf({ issuer: root, subject, extensions: { subjectAltName: null } })
    assertFails({ chain: [bare, root], usable }, mismatch(mx))
    const other = writeLeaf({ issuer: root, subject, names: ['other.example'] })
    assertFails({ chain: [other, root], usable }, mismatch(mx))
  })

  test('DANE-77: a whole first label * stands for exactly one label', () => {
    covers('DANE-77', { observe: 'pure' })
    assertPasses({ chain: named('*.example.com'), usable })
    for (const name of ['m*.example.com', '*x.example.com', 'mx.*.com', '*.com', '*', '*.*.com', '*.mx.example.com']) {
      assertFails({ chain: named(name), usable }, mismatch(mx))
    }
    assertFails(
      { chain: named('*.example.com'), usable, referenceNames: [domain('example.com')] },
      mismatch(domain('example.com')),
    )
  })

  test('a wildcard of a whole top-level domain is nobody’s', () => {
    const name = domain('example.com')
    assertFails({ chain: named('*.com'), usable, referenceNames: [name] }, mismatch(name))
  })

  test('DANE-78: and never for several', () => {
    covers('DANE-78', { observe: 'pure' })
    const deep = domain('a.b.example.com')
    assertFails({ chain: named('*.example.com'), usable, referenceNames: [deep] }, mismatch(deep))
  })

  test('names that no host has match nothing', () => {
    for (const name of [
      'mx.example.com.',
      'mx.example.com\0',
      'mx.example.com\0.evil.example',
      ' mx.example.com',
      '',
    ]) {
      assertFails({ chain: named(name), usable }, mismatch(mx))
    }
  })
})
