import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { EDE_OPTION, extendedErrorText, isValidationFailure, readExtendedError } from './extended-error.ts'

const option = (infoCode: number, text: string | Buffer, code = EDE_OPTION) => {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(infoCode)
  return { code, data: Buffer.concat([head, Buffer.from(text)]) }
}

describe('RFC 8914 extended errors', () => {
  test('the purpose, its number and the text of the server are kept', () => {
    const error = readExtendedError([option(7, 'signature expired')])
    assert.deepEqual(error, { infoCode: 7, extraText: 'signature expired' })
    assert.equal(error && extendedErrorText(error), 'Signature Expired (7): signature expired')
  })

  test('of several, one about validation counts', () => {
    const options = [option(22, 'no authority'), option(3, 'stale'), option(6, 'bogus')]
    assert.equal(readExtendedError(options)?.infoCode, 6)
    assert.equal(readExtendedError(options.slice(0, 2))?.infoCode, 22)
  })

  for (const [rule, options] of [
    ['no option', []],
    ['other options only', [option(6, 'text', 10)]],
    ['an option without its code', [{ code: EDE_OPTION, data: Buffer.from([0]) }]],
    ['an option without bytes', [{ code: EDE_OPTION }]],
  ] as const) {
    test(`${rule} is no extended error`, () => assert.equal(readExtendedError(options), undefined))
  }

  test('a code that nobody assigned is told by its number', () => {
    assert.equal(extendedErrorText({ infoCode: 4_711, extraText: '' }), 'extended error (4711)')
  })

  test('failures of validation are told from other errors', () => {
    assert.deepEqual(
      Array.from({ length: 30 }, (_, code) => code).filter((infoCode) => isValidationFailure({ infoCode })),
      [5, 6, 7, 8, 9, 10, 11, 12, 25],
    )
  })

  test('whatever a server writes becomes one short line without controls', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65_535 }), fc.uint8Array({ maxLength: 600 }), (code, bytes) => {
        const error = readExtendedError([option(code, Buffer.from(bytes))])
        assert.equal(error?.infoCode, code)
        const { extraText } = error
        assert.ok(extraText.length <= 200 && extraText.isWellFormed())
        assert.doesNotMatch(extraText, /[\p{Cc}\p{Cf}\u2028\u2029]/u)
      }),
    )
  })

  test('a line break in the text cannot begin a new line of the log', () => {
    const error = readExtendedError([option(6, 'first\r\n\u202esecond\u2028third')])
    assert.equal(error?.extraText, 'first second third')
  })
})
