import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type DomainName,
  type DomainNameError,
  isSubdomainOf,
  labels,
  ownerName,
  parseDomainName,
  parseHostname,
  parseOwnerName,
} from './domain-name.ts'

const accepted: readonly (readonly [rule: string, text: string, canonical: string])[] = [
  ['lower case', 'Mail.EXAMPLE.com', 'mail.example.com'],
  ['a single label', 'localhost', 'localhost'],
  ['digits and hyphens inside', '3com-x.1a', '3com-x.1a'],
  ['numeric labels that are not last', '1.2.3.4.in-addr.arpa', '1.2.3.4.in-addr.arpa'],
  ['U-labels become A-labels', 'bücher.example', 'xn--bcher-kva.example'],
  ['case of U-labels folds', 'BÜCHER.example', 'xn--bcher-kva.example'],
  ['UTS 46 non-transitional: ß stays ß', 'faß.de', 'xn--fa-hia.de'],
  ['A-labels stay', 'XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
  ['a U-label as top-level domain', 'пример.рф', 'xn--e1afmkfd.xn--p1ai'],
  ['63 octets in a label', `${'a'.repeat(63)}.de`, `${'a'.repeat(63)}.de`],
]

const refused: readonly (readonly [rule: string, text: string, kind: DomainNameError['kind']])[] = [
  ['nothing', '', 'empty'],
  ['an empty label', 'ex..ample', 'empty-label'],
  ['an empty label among U-labels', 'bü..cher', 'empty-label'],
  ['a trailing dot', 'example.com.', 'empty-label'],
  ['the root', '.', 'empty-label'],
  ['64 octets in a label', `${'a'.repeat(64)}.de`, 'label-too-long'],
  ['a U-label whose A-label is too long', `${'ü'.repeat(59)}x.de`, 'label-too-long'],
  ['254 octets', `${'a.'.repeat(126)}aa`, 'name-too-long'],
  ['an underscore', '_mta-sts.example.com', 'forbidden-character'],
  ['a leading hyphen', '-a.example', 'hyphen-at-edge'],
  ['a trailing hyphen', 'a-.example', 'hyphen-at-edge'],
  ['an IPv4 address', '192.0.2.1', 'address-like'],
  ['a number', '2130706433', 'address-like'],
  ['a hexadecimal address', '0x7f.1', 'address-like'],
  ['a hexadecimal last label', 'example.0x7F', 'address-like'],
  ['an address in full-width digits', '１９２.０.２.１', 'address-like'],
  ['one full-width number', '１', 'not-idna'],
  ['a path', 'a/b.com', 'forbidden-character'],
  ['a percent escape', 'A%41.com', 'forbidden-character'],
  ['a percent escape among U-labels', 'ü%41.com', 'forbidden-character'],
  ['a port', 'example.com:25', 'forbidden-character'],
  ['user information', 'a@b.com', 'forbidden-character'],
  ['a space', 'a b.com', 'forbidden-character'],
  ['NUL', 'a\0.com', 'forbidden-character'],
  ['an IPv6 address', '[::1]', 'forbidden-character'],
  ['an ideographic full stop', 'a。b', 'forbidden-character'],
  ['a soft hyphen', 'a\u00ad.com', 'forbidden-character'],
  ['a symbol that folds to a/c', '℀.com', 'forbidden-character'],
  ['a digit that carries a dot', '⒈com.example', 'not-idna'],
  ['mixed directions', 'اa.example', 'not-idna'],
]

describe('domain names', () => {
  for (const [rule, text, canonical] of accepted) {
    test(`accept ${rule}`, () => assert.deepEqual(parseDomainName(text), { ok: true, value: canonical }))
  }
  for (const [rule, text, kind] of refused) {
    test(`refuse ${rule}`, () => assert.deepEqual(parseDomainName(text), { ok: false, error: { kind } }))
  }

  test('a canonical name is its own canonical form, whatever was written', () => {
    const written = fc.oneof(
      fc.domain(),
      fc.string({ unit: fc.constantFrom('a', 'B', '9', '-', '.', 'ü', 'ß', '_', '０', 'x') }),
      fc.string({ unit: 'binary', maxLength: 300 }),
    )
    fc.assert(
      fc.property(written, (text) => {
        const first = parseDomainName(text)
        if (!first.ok) return
        assert.deepEqual(parseDomainName(first.value), first)
        assert.match(first.value, /^[a-z0-9-]+(\.[a-z0-9-]+)*$/)
        assert(first.value.length <= 253 && labels(first.value).every((label) => label.length <= 63))
      }),
    )
  })

  test('case never matters', () => {
    fc.assert(
      fc.property(fc.domain(), (name) => assert.deepEqual(parseDomainName(name.toUpperCase()), parseDomainName(name))),
    )
  })

  test('a hostname from DNS is never converted from Unicode', () => {
    assert.deepEqual(parseHostname('bücher.example'), { ok: false, error: { kind: 'forbidden-character' } })
  })
})

describe('owner names', () => {
  const example = parseDomainName('example.com')
  assert(example.ok)

  test('have underscores, and slashes for reverse zones (RFC 2317)', () => {
    assert.deepEqual(ownerName(['_mta-sts'], example.value), { ok: true, value: '_mta-sts.example.com' })
    assert.deepEqual(ownerName(['_25', '_tcp'], example.value), { ok: true, value: '_25._tcp.example.com' })
    assert.equal(parseOwnerName('1.0/25.2.0.192.in-addr.arpa').ok, true)
  })

  test('may become too long', () => {
    const long = parseDomainName('a.'.repeat(124).concat('aaaa'))
    assert(long.ok)
    assert.deepEqual(ownerName(['_mta-sts'], long.value), { ok: false, error: { kind: 'name-too-long' } })
  })

  test('a subdomain is strictly below', () => {
    const name = (text: string): DomainName => {
      const parsed = parseDomainName(text)
      assert(parsed.ok)
      return parsed.value
    }
    assert.equal(isSubdomainOf(name('a.example.com'), example.value), true)
    assert.equal(isSubdomainOf(example.value, example.value), false)
    assert.equal(isSubdomainOf(name('badexample.com'), example.value), false)
  })
})
