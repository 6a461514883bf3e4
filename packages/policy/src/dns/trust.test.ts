import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decideTrust, isLoopback, type TrustSetting, type ValidatorKind } from './trust.ts'

const at = (...addresses: string[]) => addresses.map((address) => ({ address, port: 53 }))

interface Row {
  readonly rule: string
  readonly setting: TrustSetting
  readonly servers: readonly string[]
  readonly candidates: readonly ValidatorKind[]
  readonly notBelieved?: string
}

const UNBOUND: readonly ValidatorKind[] = ['private-unbound']
const UNBOUND_THEN_LOOPBACK: readonly ValidatorKind[] = ['private-unbound', 'loopback-resolver']
const REMOTE = { candidates: UNBOUND, notBelieved: 'remote-resolver' }
const STUB = { candidates: UNBOUND, notBelieved: 'forwarding-stub' }

const TABLE: readonly Row[] = [
  { rule: '"ad" believes whoever is named', setting: 'ad', servers: ['192.0.2.1'], candidates: ['configured'] },
  { rule: '"ad" believes a stub too', setting: 'ad', servers: ['127.0.0.53'], candidates: ['configured'] },
  {
    ...{ rule: '"none" believes nobody, and starts nothing', setting: 'none', servers: ['127.0.0.1'] },
    ...{ candidates: [], notBelieved: 'trust-is-none' },
  },
  {
    rule: 'a resolver on IPv4 loopback comes after a private unbound',
    ...{ setting: 'auto', servers: ['127.0.0.1'], candidates: UNBOUND_THEN_LOOPBACK },
  },
  {
    rule: 'a resolver on IPv6 loopback too',
    ...{ setting: 'auto', servers: ['::1'], candidates: UNBOUND_THEN_LOOPBACK },
  },
  {
    rule: 'another loopback address too',
    ...{ setting: 'auto', servers: ['127.0.0.153'], candidates: UNBOUND_THEN_LOOPBACK },
  },
  { rule: 'a resolver across a network is not believed', setting: 'auto', servers: ['192.0.2.1'], ...REMOTE },
  { rule: 'one remote resolver spoils the list', setting: 'auto', servers: ['127.0.0.1', '2001:db8::1'], ...REMOTE },
  { rule: 'nor is the embedded server of container engines', setting: 'auto', servers: ['127.0.0.11'], ...STUB },
  { rule: "nor is systemd's stub", setting: 'auto', servers: ['127.0.0.53'], ...STUB },
  { rule: "nor systemd's stub beside a resolver", setting: 'auto', servers: ['127.0.0.1', '127.0.0.54'], ...STUB },
]

describe('DANE-03: AD counts only from whom the operator trusts, or from a validator on this machine', () => {
  for (const { rule, setting, servers, candidates, notBelieved } of TABLE) {
    test(rule, () => {
      const expected = notBelieved === undefined ? { candidates } : { candidates, notBelieved }
      assert.deepEqual(decideTrust(setting, at(...servers)), expected)
    })
  }

  test('without a word from the operator no server across a network is ever believed', () => {
    for (const address of ['192.0.2.1', '10.0.0.1', '2001:db8::1', '::ffff:127.0.0.1', 'fe80::1', 'not-an-address']) {
      assert.equal(isLoopback(address), false, address)
      assert.deepEqual(decideTrust('auto', at(address)).candidates, UNBOUND, address)
    }
  })
})
