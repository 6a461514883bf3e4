import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { err, ok } from '../result.ts'
import { parseStsRecord, selectStsRecord } from './record.ts'

const idOf = (...records: readonly (readonly string[])[]) => {
  const selected = selectStsRecord(records)
  return selected.ok ? selected.value.id : selected.error.kind
}

describe('RFC 8461 §3.1: which TXT record it is', () => {
  test('STS-09: the strings of one record are joined without a separator', () => {
    covers('STS-09', { observe: 'pure' })
    assert.equal(idOf(['v=STSv1; id=2024', '0101;']), '20240101')
    assert.equal(idOf(['v=ST', 'Sv1; i', 'd=1']), '1')
  })

  test('STS-10: of several records, those that begin with something else are thrown away', () => {
    covers('STS-10', { observe: 'pure' })
    assert.equal(idOf(['v=spf1 -all'], ['v=STSv1; id=1'], ['v=STSv10; id=2'], [' v=STSv1; id=3'], ['']), '1')
    assert.equal(idOf(['v=spf1 -all'], ['something else']), 'no-record')
    assert.equal(idOf(), 'no-record')
  })

  test('two STS records are none, even when they say the same', () => {
    const twice = [['v=STSv1; id=1'], ['v=STSv1; id=1'], ['v=spf1 -all']]
    assert.deepEqual(selectStsRecord(twice), err({ kind: 'several-records', count: 2 }))
    assert.equal(idOf(['v=STSv1; id=1'], ['v=STSv1;']), 'several-records')
  })

  test('STS-13: the version comes first and is case-sensitive', () => {
    covers('STS-13', { observe: 'pure' })
    for (const text of ['id=1; v=STSv1', 'v=stsv1; id=1', 'V=STSv1; id=1', ' v=STSv1; id=1', 'v=STSv1x; id=1']) {
      assert.equal(idOf([text]), 'no-record', text)
    }
  })

  test('STS-17: white space before the first delimiter is legal in a lone record and fatal among several', () => {
    covers('STS-17', { observe: 'pure' })
    assert.equal(idOf(['v=STSv1 ; id=1']), '1')
    assert.equal(idOf(['v=STSv1\t ;id=1']), '1')
    assert.equal(idOf(['v=STSv1 ; id=1'], ['v=STSv1; id=2']), '2')
    assert.equal(idOf(['v=STSv1 ; id=1'], ['v=spf1 -all']), 'no-record')
  })
})

describe('RFC 8461 §3.1: what the record says', () => {
  test('STS-14: the id is 1 to 32 letters and digits, its name lower case', () => {
    covers('STS-14', { observe: 'pure' })
    for (const id of ['1', 'z', '20160831085700Z', 'x'.repeat(32)]) {
      assert.deepEqual(parseStsRecord(`v=STSv1; id=${id}`), ok({ id }))
    }
    for (const id of ['', 'x'.repeat(33), 'a_b', 'a-b', 'a b', 'a=b']) {
      assert.deepEqual(parseStsRecord(`v=STSv1; id=${id}`), err({ kind: 'invalid-id', id }))
    }
    for (const text of ['v=STSv1', 'v=STSv1;', 'v=STSv1 ', 'v=STSv1; ID=1', 'v=STSv1; x=1;']) {
      assert.deepEqual(parseStsRecord(text), err({ kind: 'missing-id' }), text)
    }
  })

  test('STS-15: after the version the order is free, and unknown fields are ignored', () => {
    covers('STS-15', { observe: 'pure' })
    for (const text of ['v=STSv1; x-new.ext=abc:def; id=1', 'v=STSv1; id=1; A1_.-=!"#/<>@~', 'v=STSv1;v=STSv2;id=1']) {
      assert.deepEqual(parseStsRecord(text), ok({ id: '1' }), text)
    }
  })

  test('STS-16: spaces and tabs may stand around a delimiter, and the last one may be absent', () => {
    covers('STS-16', { observe: 'pure' })
    for (const text of ['v=STSv1;id=1', 'v=STSv1;  id=1 ;', 'v=STSv1; \tid=1\t ; x=y ; ', 'v=STSv1; id=1;\t']) {
      assert.deepEqual(parseStsRecord(text), ok({ id: '1' }), text)
    }
    assert.equal(parseStsRecord('v=STSv1; id=1 ').ok, false, 'behind the last field only with a delimiter')
    assert.deepEqual(parseStsRecord('v=STSv1; id=1;;'), err({ kind: 'malformed-field', field: '' }))
    assert.deepEqual(parseStsRecord('v=STSv1;; id=1'), err({ kind: 'malformed-field', field: '' }))
  })

  test('STS-18: of a repeated field the first counts', () => {
    covers('STS-18', { observe: 'pure' })
    assert.deepEqual(parseStsRecord('v=STSv1; id=a; id=b'), ok({ id: 'a' }))
    assert.deepEqual(parseStsRecord('v=STSv1; id=a; id=not an id'), ok({ id: 'a' }))
    assert.deepEqual(parseStsRecord('v=STSv1; id=a_b; id=b'), err({ kind: 'invalid-id', id: 'a_b' }))
  })

  test('STS-19: other bytes, bare fields and extension values with `=`, space or controls make it invalid', () => {
    covers('STS-19', { observe: 'pure' })
    for (const field of ['foo', 'foo=', '=foo', 'foo==', 'foo=a b', 'foo=a\tb', '-foo=a', `${'n'.repeat(33)}=a`]) {
      assert.deepEqual(parseStsRecord(`v=STSv1; id=1; ${field}`), err({ kind: 'malformed-field', field }))
    }
    for (const character of ['\0', '\x01', '\n', '\r', '\x7f', '\x80', 'é', '\u{1f4e7}']) {
      assert.deepEqual(parseStsRecord(`v=STSv1; id=1; foo=a${character}`), err({ kind: 'not-ascii' }))
    }
  })
})

test('whatever DNS carries is read without an exception, and only a valid id comes out', () => {
  const string = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('v=STSv1', ';', ' id=1', '=', 'v=STSv1; id=1;'),
  )
  fc.assert(
    fc.property(fc.array(fc.array(string)), (records) => {
      const selected = selectStsRecord(records)
      assert.ok(!selected.ok || /^[A-Za-z0-9]{1,32}$/.test(selected.value.id))
    }),
  )
})

test('the largest record that DNS can carry is read in no time, whatever it repeats', () => {
  for (const unit of [' ', '\t', ';', '; ', '=', 'a', ' ;x=1']) {
    const began = performance.now()
    parseStsRecord(`v=STSv1;${unit.repeat(65_000 / unit.length)}x`)
    assert.ok(performance.now() - began < 500, JSON.stringify(unit))
  }
})

const VECTORS = new URL('../../../../../shared/vectors/mtasts_txt.json', import.meta.url)

interface Vector {
  readonly id: string
  readonly kind: 'record' | 'lookup'
  readonly txt?: string
  readonly answers?: readonly (readonly string[])[]
  readonly expected: boolean | string
}

/** Where the source and we part, and what decides. */
const DISAGREEMENTS: Readonly<Record<string, string>> = {
  'ststxt-022': 'RFC 8461 §3.1, sts-text-record: no white space behind a last field without delimiter',
  'ststxt-023': 'RFC 8461 §3.1, sts-text-record: one closing delimiter',
  'ststxt-050': 'RFC 8461 §3.2: of a repeated field the first counts, the record stays valid',
}

test('the records of other implementations are read as they read them, or the RFC decides', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases }: { cases: readonly Vector[] } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  assert.equal(cases.length, 66)
  const different = cases.flatMap((vector) => {
    const selected = selectStsRecord(vector.answers ?? [[vector.txt ?? '']])
    return selected.ok === (vector.expected === true || vector.expected === 'ok') ? [] : [vector.id]
  })
  assert.deepEqual(different, Object.keys(DISAGREEMENTS))
  const several = cases.filter(({ expected }) => expected === 'multiple')
  assert.ok(several.length > 0)
  for (const { answers = [] } of several) assert.equal(idOf(...answers), 'several-records')
})
