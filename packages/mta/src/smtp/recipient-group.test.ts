import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from './client.samples.ts'
import { recipientGroup } from './recipient-group.ts'

const recipients = ['a@one.test', 'b@two.test', 'c@one.test', 'd@three.test', 'e@two.test'].map((text, index) => ({
  index,
  address: address(text),
}))
const indexes = (limits: { readonly rcptMax?: number; readonly rcptDomainMax?: number }) =>
  recipientGroup(recipients, limits).map(({ index }) => index)

test('without limits all go together', () => assert.deepEqual(indexes({}), [0, 1, 2, 3, 4]))
test('RFC 9422: no more than RCPTMAX, the first ones', () => assert.deepEqual(indexes({ rcptMax: 2 }), [0, 1]))
test('RFC 9422: of no more than RCPTDOMAINMAX domains', () => {
  assert.deepEqual(indexes({ rcptDomainMax: 1 }), [0, 2])
  assert.deepEqual(indexes({ rcptDomainMax: 2 }), [0, 1, 2, 4])
})
test('RFC 9422: both at once', () => assert.deepEqual(indexes({ rcptDomainMax: 2, rcptMax: 3 }), [0, 1, 2]))
