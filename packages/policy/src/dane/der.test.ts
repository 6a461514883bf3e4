import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  bitString,
  boolean,
  type Der,
  integer,
  objectIdentifier,
  sequence,
  time,
  tlv,
} from '../../../../test/lab/der-writer.ts'
import {
  type DerElement,
  derBitString,
  derBoolean,
  derChildren,
  derElement,
  derElements,
  derInteger,
  derObjectIdentifier,
  derSmallInteger,
  derTime,
  MAX_ELEMENTS,
  TAG,
} from './der.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

function read(der: Der): DerElement {
  const element = derElement(der)
  assert.ok(element)
  return element
}

describe('X.690 §10.1: lengths', () => {
  for (const [rule, octets] of [
    ['nothing', ''],
    ['an identifier without a length', '30'],
    ['less than the length says', '30 02 00'],
    ['more than the length says', '30 00 00'],
    ['an indefinite length', '30 80 00 00'],
    ['a long form where the short one does', '04 81 01 00'],
    ['a leading zero in the long form', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a length of nine octets', '04 89 01 00 00 00 00 00 00 00 00'],
    ['a length that ends too early', '04 82 01'],
    ['a tag number of more than one octet', '1f 81 00 00'],
  ] as const) {
    test(`refuses ${rule}`, () => assert.equal(derElement(hex(octets)), undefined))
  }

  test('reads short and long forms alike', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const element = read(tlv(TAG.octetString, Buffer.alloc(length)))
      assert.equal(element.contents.length, length)
    }
  })

  test('reads no more elements than a limit, and never deeper than asked', () => {
    assert.equal(derElements(Buffer.alloc(2 * MAX_ELEMENTS, hex('0500')))?.length, MAX_ELEMENTS)
    assert.equal(derElements(Buffer.alloc(2 * MAX_ELEMENTS + 2, hex('0500'))), undefined)
    let nested: Der = sequence()
    for (let depth = 0; depth < 20_000; depth += 1) nested = sequence(nested)
    assert.equal(derChildren(derElement(nested), TAG.sequence)?.length, 1)
  })
})

describe('values', () => {
  test('X.690 §11.1: a boolean is all ones or all zeros', () => {
    assert.equal(derBoolean(read(boolean(true))), true)
    assert.equal(derBoolean(read(hex('010100'))), false)
    for (const octets of ['010101', '0100', '0102ffff', '0201ff'])
      assert.equal(derBoolean(read(hex(octets))), undefined)
  })

  test('X.690 §8.3.2: an integer is as short as it can be', () => {
    for (const octets of ['020100', '02017f', '02020080', '0201ff', '0202ff7f'])
      assert.ok(derInteger(read(hex(octets))))
    for (const octets of ['0200', '0202007f', '0202ff80', '040100']) {
      assert.equal(derInteger(read(hex(octets))), undefined, octets)
    }
    for (const [octets, value] of [
      ['020100', 0],
      ['02020080', 128],
      ['02047fffffff', 0x7fffffff],
      ['0201ff', undefined],
      ['0205 00ffffffff', undefined],
    ] as const) {
      assert.equal(derSmallInteger(read(hex(octets))), value, octets)
    }
  })

  test('X.690 §11.2: unused bits are zero, and none are unused where there are none', () => {
    assert.deepEqual(derBitString(read(bitString(Buffer.from([0xa0]), 5)))?.unusedBits, 5)
    assert.deepEqual(derBitString(read(hex('030100')))?.octets.length, 0)
    for (const octets of ['0300', '030101', '0302 05 a1', '0302 08 00', '0402 00 00']) {
      assert.equal(derBitString(read(hex(octets))), undefined, octets)
    }
  })

  test('an object identifier ends where its last arc ends', () => {
    assert.equal(derObjectIdentifier(read(objectIdentifier('2.5.29.15'))), '551d0f')
    assert.equal(derObjectIdentifier(read(objectIdentifier('1.2.840.113549.1.1.11'))), '2a864886f70d01010b')
    for (const octets of ['0600', '0602 55 9d', '0401 55'])
      assert.equal(derObjectIdentifier(read(hex(octets))), undefined)
  })

  test('RFC 5280 §4.1.2.5: times are Greenwich with seconds, of four digits or of 1950 to 2049', () => {
    for (const iso of [
      '1950-01-01T00:00:00Z',
      '2026-06-01T12:34:56Z',
      '2049-12-31T23:59:59Z',
      '2050-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
      '0099-02-28T00:00:00Z',
    ]) {
      assert.equal(derTime(read(time(Date.parse(iso)))), Date.parse(iso), iso)
    }
    for (const text of [
      '2606011234Z',
      '260601123456',
      '260601123456+0000',
      '260601123456.0Z',
      '260631000000Z',
      '260229000000Z',
      '260601240000Z',
      '260601006000Z',
      '260601000060Z',
      '260001000000Z',
      '26060112345 Z',
    ]) {
      assert.equal(derTime(read(tlv(TAG.utcTime, Buffer.from(text)))), undefined, text)
    }
    assert.equal(derTime(read(tlv(TAG.generalizedTime, Buffer.from('20260601123456.5Z')))), undefined)
    assert.equal(derTime(read(tlv(TAG.octetString, Buffer.from('260601123456Z')))), undefined)
  })
})

describe('whatever the octets', () => {
  test('elements cover them without a gap and read back the same, or there are none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const elements = derElements(octets)
        if (elements === undefined) return
        assert.deepEqual(Buffer.concat(elements.map(({ encoded }) => encoded)), Buffer.from(octets))
        for (const { tag, contents, encoded } of elements) assert.deepEqual(tlv(tag, contents), Buffer.from(encoded))
      }),
    )
  })

  test('no value reader throws', () => {
    const readers = [derBoolean, derInteger, derSmallInteger, derObjectIdentifier, derBitString, derTime]
    fc.assert(
      fc.property(fc.nat(0x1e), fc.uint8Array({ maxLength: 40 }), (tag, contents) => {
        const element = derElement(tlv(tag, contents))
        for (const reader of readers) if (element !== undefined) reader(element)
      }),
    )
  })

  test('integers and times come back as they were written', () => {
    fc.assert(fc.property(fc.nat(), (value) => assert.equal(derSmallInteger(read(integer(value))), value)))
    const [first, last] = [Date.parse('1800-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59Z')]
    fc.assert(
      fc.property(fc.integer({ min: first / 1000, max: last / 1000 }), (seconds) =>
        assert.equal(derTime(read(time(seconds * 1000))), seconds * 1000),
      ),
    )
  })
})
