import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  directoryName,
  distinguishedName,
  dnsName,
  ipName,
  mailName,
  simpleName,
} from '../../../../test/lab/certificate-writer.ts'
import {
  type Der,
  printableString,
  sequence,
  tagged,
  taggedPrimitive,
  tlv,
  utf8String,
} from '../../../../test/lab/der-writer.ts'
import { derElement } from './der.ts'
import { readDistinguishedName } from './distinguished-name.ts'
import { readGeneralName } from './general-name.ts'
import { type GovernedNames, nameConstraintBreach, readNameConstraints } from './name-constraints.ts'

function element(der: Der) {
  const read = derElement(der)
  assert.ok(read)
  return read
}

function constraints(permitted: readonly Der[], excluded: readonly Der[] = []) {
  const subtrees = (number: number, bases: readonly Der[]) =>
    bases.length === 0 ? [] : [tagged(number, ...bases.map((base) => sequence(base)))]
  return readNameConstraints(element(sequence(...subtrees(0, permitted), ...subtrees(1, excluded))))
}

function names(subjectAltName: readonly Der[], subject: Der = distinguishedName()): GovernedNames {
  const read = readDistinguishedName(element(subject))
  assert.ok(read)
  return { subject: read, subjectAltName: subjectAltName.flatMap((name) => readGeneralName(element(name)) ?? []) }
}

function breach(
  { permitted = [], excluded = [] }: { readonly permitted?: readonly Der[]; readonly excluded?: readonly Der[] },
  governed: GovernedNames,
) {
  const read = constraints(permitted, excluded)
  assert.ok(read)
  return nameConstraintBreach(read, governed)
}

const dns = (...list: readonly string[]) => list.map(dnsName)

describe('RFC 5280 §4.2.1.10: DNS names', () => {
  for (const [rule, base, name, within] of [
    ['the name itself', 'example.com', 'example.com', true],
    ['labels added on the left', 'example.com', 'a.b.example.com', true],
    ['whatever the case', 'Example.COM', 'MX.example.com', true],
    ['an empty base: every name', '', 'mx.example.com', true],
    ['a wildcard whose names are all within', 'example.com', '*.example.com', true],
    ['not a name that only ends alike', 'ample.com', 'mx.example.com', false],
    ['not the name above', 'mx.example.com', 'example.com', false],
  ] as const) {
    test(`${rule}: '${name}' and '${base}'`, () => {
      assert.equal(breach({ permitted: dns(base) }, names(dns(name))), within ? undefined : 'name-not-permitted')
      assert.equal(breach({ excluded: dns(base) }, names(dns(name))), within ? 'name-excluded' : undefined)
    })
  }

  test('one permitted subtree is enough for a name, none for another; excluding goes before', () => {
    const permitted = dns('example.net', 'example.com')
    assert.equal(breach({ permitted }, names(dns('mx.example.com'))), undefined)
    assert.equal(breach({ permitted }, names(dns('mx.example.com', 'mx.example.org'))), 'name-not-permitted')
    assert.equal(breach({ permitted, excluded: dns('mx.example.com') }, names(dns('mx.example.com'))), 'name-excluded')
  })

  test('a wildcard touches the excluded names that it covers, one label deep', () => {
    assert.equal(breach({ excluded: dns('mx.example.com') }, names(dns('*.example.com'))), 'name-excluded')
    assert.equal(breach({ excluded: dns('a.mx.example.com') }, names(dns('*.example.com'))), undefined)
    assert.equal(breach({ permitted: dns('mx.example.com') }, names(dns('*.example.com'))), 'name-not-permitted')
  })

  test('a name that is none cannot be judged by a constraint on names', () => {
    assert.equal(
      breach({ permitted: dns('example.com') }, names(dns('a b.example.com'))),
      'name-constraint-unsupported',
    )
    assert.equal(
      breach({ excluded: dns('example.net') }, names(dns('mx.example.com\0'))),
      'name-constraint-unsupported',
    )
  })
})

describe('RFC 5280 §4.2.1.10: addresses', () => {
  const range = ipName([192, 0, 2, 0, 255, 255, 255, 0])

  test('are within by the mask, and each version for itself', () => {
    assert.equal(breach({ permitted: [range] }, names([ipName([192, 0, 2, 7])])), undefined)
    assert.equal(breach({ permitted: [range] }, names([ipName([192, 0, 3, 7])])), 'name-not-permitted')
    assert.equal(breach({ excluded: [range] }, names([ipName([192, 0, 2, 7])])), 'name-excluded')
    const sixteen = ipName([0x20, 1, 0x0d, 0xb8, ...Array<number>(12).fill(0)])
    assert.equal(breach({ permitted: [range] }, names([sixteen])), 'name-not-permitted')
    assert.equal(breach({ excluded: [range] }, names([sixteen])), undefined)
    assert.equal(breach({ permitted: [range] }, names([ipName([192, 0, 2, 0, 1])])), 'name-constraint-unsupported')
  })

  test('a range without a mask of leading ones cannot be read', () => {
    for (const octets of [[192, 0, 2, 0], [192, 0, 2, 0, 255, 0, 255, 0], [], [192, 0, 2, 0, 0, 0, 0, 1]]) {
      assert.equal(constraints([ipName(octets)]), undefined)
    }
  })
})

describe('RFC 5280 §4.2.1.10: directory names', () => {
  const base = distinguishedName(['2.5.4.6', printableString('DE')], ['2.5.4.10', utf8String('Example  Mail')])
  const below = distinguishedName(
    ['2.5.4.6', printableString('de')],
    ['2.5.4.10', printableString(' example mail ')],
    ['2.5.4.3', utf8String('mx')],
  )

  test('are within when they begin with the base, in any spelling; the subject counts, an empty one does not', () => {
    const permitted = [directoryName(base)]
    assert.equal(breach({ permitted }, names([], below)), undefined)
    assert.equal(breach({ permitted }, names([directoryName(below)])), undefined)
    assert.equal(breach({ permitted }, names([], simpleName('mx'))), 'name-not-permitted')
    assert.equal(breach({ permitted }, names([])), undefined)
    assert.equal(breach({ excluded: permitted }, names([], below)), 'name-excluded')
  })

  test('text that looks like two attributes is one', () => {
    const tricky = distinguishedName(['2.5.4.3', utf8String('a"+550403="b')])
    assert.equal(breach({ permitted: [directoryName(simpleName('a'))] }, names([], tricky)), 'name-not-permitted')
  })
})

describe('RFC 5280 §4.2.1.10: forms that are not compared', () => {
  const other = tagged(0, tlv(0x06, Buffer.from([0x2a, 3])), tagged(0, utf8String('a@example.com')))

  test('are refused where a name of that form stands below, and only there', () => {
    const constraint = { excluded: [mailName('example.com')] }
    assert.equal(breach(constraint, names(dns('mx.example.com'))), undefined)
    assert.equal(breach(constraint, names([mailName('a@example.net')])), 'name-constraint-unsupported')
    // An otherName can be a mail address as well (RFC 8398 §6), and so can an attribute of the subject.
    assert.equal(breach(constraint, names([other])), 'name-constraint-unsupported')
    const mailbox = distinguishedName(['1.2.840.113549.1.9.1', tlv(0x16, Buffer.from('a@example.net'))])
    assert.equal(breach(constraint, names([], mailbox)), 'name-constraint-unsupported')
    assert.equal(breach({ permitted: dns('example.com') }, names([], mailbox)), undefined)
    const misspelt = distinguishedName(['1.2.840.113549.1.9.1', utf8String('a@example.net')])
    assert.equal(breach({ permitted: dns('example.com') }, names([], misspelt)), 'name-constraint-unsupported')
  })

  test('so many comparisons that they cost seconds are not made', () => {
    const many = Array.from({ length: 400 }, (_, at) => dnsName(`n${at}.example.com`))
    assert.equal(breach({ excluded: many }, names(many)), 'name-constraint-unsupported')
  })
})

test('RFC 5280 §4.2.1.10: what cannot be read is no constraint', () => {
  const base = sequence(dnsName('example.com'))
  assert.ok(readNameConstraints(element(sequence(tagged(0, base), tagged(1, base)))))
  for (const value of [
    sequence(),
    sequence(tagged(0)),
    sequence(tagged(1, base), tagged(0, base)),
    sequence(tagged(0, base), tagged(0, base)),
    sequence(tagged(2, base)),
    sequence(tagged(0, sequence(dnsName('example.com'), taggedPrimitive(0, Buffer.from([1]))))),
    sequence(tagged(0, sequence(dnsName('.example.com')))),
    sequence(tagged(0, sequence(dnsName('*.example.com')))),
    sequence(tagged(0, sequence())),
    tagged(0, base),
  ]) {
    assert.equal(readNameConstraints(element(value)), undefined)
  }
})
