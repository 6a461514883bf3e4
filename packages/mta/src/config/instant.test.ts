import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { endInstant } from './instant.ts'

const parsed = (input: unknown) => {
  const result = endInstant.parse(input)
  return result.ok ? result.value : result.error.wrong
}

test('a date lasts until its day is over in UTC', () => {
  assert.equal(parsed('2026-12-31'), Date.UTC(2027, 0, 1))
  assert.equal(parsed('2028-02-29'), Date.UTC(2028, 2, 1))
})

test('a date with time and offset is that instant', () => {
  for (const text of ['2026-12-31T12:00:00Z', '2026-12-31 13:00:00+01:00', '2026-12-31t12:00:00.000z']) {
    assert.equal(parsed(text), Date.UTC(2026, 11, 31, 12), text)
  }
})

for (const [wrong, text] of [
  ['has a time without an offset', '2026-12-31T12:00:00'],
  ['is not a date', '2026-02-30'],
  ['is not a date', '2026-02-30T12:00:00Z'],
  ['is not a date', '2026-13-01'],
  ['is not a date', '31.12.2026'],
  ['is not a date', '2026-12-31T25:00:00Z'],
  ['is not a date', ''],
  ['is a number, not a date', 20261231],
] as const) {
  test(`${JSON.stringify(text)} ${wrong}`, () => assert.match(String(parsed(text)), new RegExp(`^${wrong}`)))
}

test('every day ends when the next one begins', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 80_000 }), (days) => {
      const day = new Date(days * 86_400_000).toISOString().slice(0, 10)
      assert.equal(parsed(day), (days + 1) * 86_400_000)
    }),
  )
})
