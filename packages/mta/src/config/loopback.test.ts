import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isLoopback, isUnspecified } from './loopback.ts'

describe('RFC 6890 §2.2: what only this machine reaches', () => {
  for (const [address, loopback, unspecified] of [
    ['127.0.0.1', true, false],
    ['127.255.0.9', true, false],
    ['126.255.255.255', false, false],
    ['::1', true, false],
    ['0:0:0:0:0:0:0:1', true, false],
    ['::2', false, false],
    ['::ffff:127.0.0.1', true, false],
    ['::ffff:7f00:1', true, false],
    // Not mapped: the system dials these over IPv6.
    ['::127.0.0.1', false, false],
    ['::8.8.8.8', false, false],
    ['0.0.0.0', false, true],
    ['::', false, true],
    ['::ffff:0.0.0.0', false, true],
    ['192.0.2.1', false, false],
    ['2001:db8::1', false, false],
  ] as const) {
    test(`${address}: ${loopback ? '' : 'not '}loopback, ${unspecified ? '' : 'not '}unspecified`, () => {
      assert.deepEqual([isLoopback(address), isUnspecified(address)], [loopback, unspecified])
    })
  }
})
