import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { HELO_CAPABILITIES, parseCapabilities } from './capabilities.ts'

function offered(...lines: readonly string[]) {
  return parseCapabilities({ code: 250, lines: ['mx.example', ...lines] })
}

describe('RFC 5321 §4.1.1.1 EHLO keywords', () => {
  test('nothing is offered by a reply of one line, whatever it says', () => {
    assert.deepEqual(
      { ...parseCapabilities({ code: 250, lines: ['PIPELINING'] }), greetedWith: 'helo' },
      HELO_CAPABILITIES,
    )
  })

  test('keywords have no case, unknown ones are ignored', () => {
    const { startTls, pipelining, eightBitMime, dsn } = offered('starttls', 'PipeLining', 'X-FOO bar', '8bitmime', '')
    assert.deepEqual(
      { startTls, pipelining, eightBitMime, dsn },
      { startTls: true, pipelining: true, eightBitMime: true, dsn: false },
    )
  })

  for (const [line, size] of [
    ['SIZE 1000', { limit: 1000 }],
    ['size 1000', { limit: 1000 }],
    ['SIZE', {}],
    ['SIZE 0', {}],
    ['SIZE lots', {}],
    ['SIZE -5', {}],
    ['SIZE 99999999999999999999', {}],
  ] as const) {
    test(`RFC 1870 §4: ${line}`, () => assert.deepEqual(offered(line).size, size))
  }

  test('without SIZE there is none', () => assert.equal(offered('DSN').size, undefined))

  test('RFC 6531 §3.1: parameters of SMTPUTF8 are ignored', () => assert.equal(offered('SMTPUTF8 foo').smtpUtf8, true))

  test('AUTH mechanisms are told in upper case', () => {
    assert.deepEqual(offered('AUTH plain LOGIN').authMechanisms, ['PLAIN', 'LOGIN'])
  })

  test('a keyword said twice counts as the first said', () =>
    assert.deepEqual(offered('SIZE 10', 'SIZE 20').size, { limit: 10 }))
})

describe('RFC 9422 §4 LIMITS', () => {
  for (const [line, limits] of [
    ['LIMITS MAILMAX=123 OTHER=ignored RCPTDOMAINMAX=1 RCPTMAX=321', { mailMax: 123, rcptMax: 321, rcptDomainMax: 1 }],
    ['LIMITS rcptmax=5', { rcptMax: 5 }],
    ['LIMITS MAILMAX=invalid', {}],
    ['LIMITS MAILMAX=0', {}],
    ['LIMITS MAILMAX=1000000', {}],
    ['LIMITS invalid syntax', {}],
    ['LIMITS MAILMAX=1 MAILMAX=2', {}],
    ['LIMITS', {}],
  ] as const) {
    test(line, () => assert.deepEqual(offered(line).limits, limits))
  }
})

test('no EHLO reply makes it throw', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (lines) => void parseCapabilities({ code: 250, lines })),
  )
})
