import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { editDistance, suggestion } from './suggestion.ts'

for (const [word, known, near] of [
  ['adress', ['address', 'port'], 'address'],
  ['retyr', ['list', 'retry'], 'retry'],
  ['PORT', ['port'], 'port'],
  ['colour', ['port', 'kind'], undefined],
  ['x', ['tls'], undefined],
] as const) {
  test(`${word} is ${near ?? 'nothing known'}`, () => assert.equal(suggestion(word, known), near))
}

test('the distance of a word to itself is 0, and the same both ways', () => {
  const word = fc.string({ maxLength: 20 })
  fc.assert(
    fc.property(word, word, (a, b) => {
      assert.equal(editDistance(a, a), 0)
      assert.equal(editDistance(a, b), editDistance(b, a))
      assert.ok(editDistance(a, b) <= Math.max(a.length, b.length))
    }),
  )
})
