import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dialOrder, firstFamily } from './dial-order.ts'

const four = fc.ipV4()
const six = fc.ipV6()

test('the families take turns, beginning with the one that is asked for', () => {
  const addresses = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '192.0.2.1']
  assert.deepEqual(dialOrder(addresses, 6), ['2001:db8::1', '192.0.2.1', '2001:db8::2', '2001:db8::3'])
  assert.deepEqual(dialOrder(addresses, 4), ['192.0.2.1', '2001:db8::1', '2001:db8::2', '2001:db8::3'])
})

test('each further attempt begins with the other family', () => {
  assert.deepEqual([0, 1, 2, 3].map(firstFamily), [6, 4, 6, 4])
})

test('no address is lost or doubled, and within a family the order stays', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.oneof(four, six)), fc.constantFrom(4 as const, 6 as const), (addresses, first) => {
      const ordered = dialOrder(addresses, first)
      assert.deepEqual([...ordered].sort(), [...addresses].sort())
      for (const isOne of [(text: string) => text.includes(':'), (text: string) => !text.includes(':')]) {
        assert.deepEqual(ordered.filter(isOne), addresses.filter(isOne))
      }
    }),
  )
})
