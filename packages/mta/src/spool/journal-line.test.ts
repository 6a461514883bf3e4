import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatJournalLine, parseJournalLines } from './journal-line.ts'

const entries = fc.array(
  fc.record({ id: fc.string({ unit: 'grapheme' }), n: fc.integer() }, { noNullPrototype: true }),
  { maxLength: 5 },
)

test('what was written is read, in order', () => {
  fc.assert(
    fc.property(entries, (list) => {
      assert.deepEqual(parseJournalLines(list.map(formatJournalLine).join('')), { entries: list, damagedLines: 0 })
    }),
  )
})

test('a tail torn anywhere costs only the entry that was being written', () => {
  fc.assert(
    fc.property(entries, fc.nat(), (list, cut) => {
      const whole = list.map(formatJournalLine).join('')
      const last = Buffer.from(formatJournalLine({ id: 'torn', n: 1 }))
      const torn = last.subarray(0, cut % (last.length - 1)).toString('latin1')
      const read = parseJournalLines(whole + torn)
      assert.deepEqual(read.entries, list)
      assert.equal(read.damagedLines, torn === '' ? 0 : 1)
    }),
  )
})

test('a line damaged in the middle is skipped and counted, those after it are read', () => {
  const [first, second, third] = [1, 2, 3].map((n) => formatJournalLine({ n }))
  const read = parseJournalLines(`${first}${second?.replace('2', '7')}${third}`)
  assert.deepEqual(read, { entries: [{ n: 1 }, { n: 3 }], damagedLines: 1 })
})

test('never throws, whatever the file holds', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseJournalLines(text)))
})
