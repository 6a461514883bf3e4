import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideTrust } from './trust.ts'

const at = (...addresses: string[]) => addresses.map((address) => ({ address, port: 53 }))

test('what the operator says, holds', () => {
  assert.deepEqual(decideTrust('ad', at('192.0.2.1')), { believe: 'ad', because: 'configured' })
  assert.deepEqual(decideTrust('none', at('127.0.0.1')), { believe: 'none', because: 'configured' })
})

for (const [rule, addresses, believe, because] of [
  ['a resolver on IPv4 loopback is believed', ['127.0.0.1'], 'ad', 'loopback-resolver'],
  ['a resolver on IPv6 loopback is believed', ['::1'], 'ad', 'loopback-resolver'],
  ['another loopback address too', ['127.0.0.153'], 'ad', 'loopback-resolver'],
  ['a resolver across a network is not', ['192.0.2.1'], 'none', 'remote-resolver'],
  ['one remote resolver spoils the list', ['127.0.0.1', '2001:db8::1'], 'none', 'remote-resolver'],
  ['the embedded server of container engines is not', ['127.0.0.11'], 'none', 'forwarding-stub'],
  ["systemd's stub is not", ['127.0.0.53'], 'none', 'forwarding-stub'],
  ["systemd's stub beside a resolver is not", ['127.0.0.1', '127.0.0.54'], 'none', 'forwarding-stub'],
] as const) {
  test(rule, () => assert.deepEqual(decideTrust('auto', at(...addresses)), { believe, because }))
}
