import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withEnhancedStatus } from './enhanced-reply.ts'

for (const [rule, code, lines, expected] of [
  ['is read off the text', 250, ['2.1.0 ok'], { code: 250, enhancedStatus: '2.1.0', lines: ['ok'] }],
  ['may stand alone', 550, ['5.7.1'], { code: 550, enhancedStatus: '5.7.1', lines: [''] }],
  [
    'leaves every line',
    550,
    ['5.1.1 no', '5.1.1 such user'],
    { code: 550, enhancedStatus: '5.1.1', lines: ['no', 'such user'] },
  ],
  [
    'may be missing on later lines',
    550,
    ['5.1.1 no', 'more'],
    { code: 550, enhancedStatus: '5.1.1', lines: ['no', 'more'] },
  ],
  ['of another class means nothing (EXT-17)', 550, ['4.1.1 no'], { code: 550, lines: ['4.1.1 no'] }],
  ['of class 2 under 354 means nothing', 354, ['2.0.0 go'], { code: 354, lines: ['2.0.0 go'] }],
  ['with a leading zero is text', 550, ['5.01.1 no'], { code: 550, lines: ['5.01.1 no'] }],
  ['with four digits is text', 550, ['5.1000.1 no'], { code: 550, lines: ['5.1000.1 no'] }],
  ['glued to text is text', 550, ['5.1.1: no'], { code: 550, lines: ['5.1.1: no'] }],
  ['that is an address is text', 550, ['5.1.1.1 is listed'], { code: 550, lines: ['5.1.1.1 is listed'] }],
] as const) {
  test(`RFC 2034 §4: an enhanced status code ${rule}`, () => {
    assert.deepEqual(withEnhancedStatus({ code, lines }), expected)
  })
}
