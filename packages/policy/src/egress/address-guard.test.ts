import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type AddressRules, expandWildcards, judgeAddress } from './address-guard.ts'
import { addressBytes, cidrContains, parseCidr } from './cidr.ts'

const STRICT: AddressRules = { exceptions: [], ownListeners: [], port: 25 }
const verdict = (address: string, rules: Partial<AddressRules> = {}): string => {
  const judgement = judgeAddress(address, { ...STRICT, ...rules })
  return judgement.kind === 'allowed' ? 'allowed' : judgement.reason
}
const network = (text: string) => {
  const parsed = parseCidr(text)
  assert(parsed.ok, text)
  return parsed.value
}

/** First and last address of each range, and their neighbours outside. */
const table: readonly (readonly [address: string, verdict: string])[] = [
  ['0.0.0.0', 'this-network'],
  ['0.255.255.255', 'this-network'],
  ['1.0.0.0', 'allowed'],
  ['9.255.255.255', 'allowed'],
  ['10.0.0.0', 'private'],
  ['10.255.255.255', 'private'],
  ['11.0.0.0', 'allowed'],
  ['100.63.255.255', 'allowed'],
  ['100.64.0.0', 'shared'],
  ['100.127.255.255', 'shared'],
  ['100.128.0.0', 'allowed'],
  ['126.255.255.255', 'allowed'],
  ['127.0.0.0', 'loopback'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.255', 'loopback'],
  ['128.0.0.0', 'allowed'],
  ['169.253.255.255', 'allowed'],
  ['169.254.0.0', 'link-local'],
  ['169.254.169.254', 'link-local'],
  ['169.254.255.255', 'link-local'],
  ['169.255.0.0', 'allowed'],
  ['172.15.255.255', 'allowed'],
  ['172.16.0.0', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.0', 'allowed'],
  ['191.255.255.255', 'allowed'],
  ['192.0.0.0', 'protocol-assignments'],
  ['192.0.0.9', 'protocol-assignments'],
  ['192.0.0.255', 'protocol-assignments'],
  ['192.0.1.0', 'allowed'],
  ['192.0.2.0', 'documentation'],
  ['192.0.2.255', 'documentation'],
  ['192.0.3.0', 'allowed'],
  ['192.31.196.1', 'as112'],
  ['192.52.193.1', 'amt'],
  ['192.88.99.1', '6to4-relay'],
  ['192.167.255.255', 'allowed'],
  ['192.168.0.0', 'private'],
  ['192.168.255.255', 'private'],
  ['192.169.0.0', 'allowed'],
  ['192.175.48.1', 'as112'],
  ['198.17.255.255', 'allowed'],
  ['198.18.0.0', 'benchmarking'],
  ['198.19.255.255', 'benchmarking'],
  ['198.20.0.0', 'allowed'],
  ['198.51.100.1', 'documentation'],
  ['203.0.113.1', 'documentation'],
  ['223.255.255.255', 'allowed'],
  ['224.0.0.0', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['240.0.0.0', 'reserved'],
  ['255.255.255.254', 'reserved'],
  ['255.255.255.255', 'broadcast'],

  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['0:0:0:0:0:0:0:1', 'loopback'],
  ['::2', 'ipv4-compatible'],
  ['::127.0.0.1', 'ipv4-compatible'],
  ['::8.8.8.8', 'ipv4-compatible'],
  ['::1:0:0:0', 'not-global-unicast'],
  ['::ffff:0:7f00:1', 'not-global-unicast'],
  ['100::1', 'discard'],
  ['100:0:0:1::1', 'dummy'],
  ['100:0:0:2::1', 'not-global-unicast'],
  ['1fff:ffff::1', 'not-global-unicast'],
  ['2000::1', 'allowed'],
  ['2001:1::1', 'protocol-assignments'],
  ['2001:2::1', 'benchmarking'],
  ['2001:2:1::1', 'protocol-assignments'],
  ['2001:3::1', 'amt'],
  ['2001:4:112::1', 'as112'],
  ['2001:1f::1', 'orchid'],
  ['2001:20::1', 'orchid'],
  ['2001:2f:ffff::1', 'orchid'],
  ['2001:30::1', 'drone-remote-id'],
  ['2001:1ff:ffff::1', 'protocol-assignments'],
  ['2001:200::1', 'allowed'],
  ['2001:db7:ffff::1', 'allowed'],
  ['2001:db8::', 'documentation'],
  ['2001:DB8:ffff::1', 'documentation'],
  ['2001:db9::1', 'allowed'],
  ['2620:4f:8000::1', 'as112'],
  ['2620:4f:8001::1', 'allowed'],
  ['3ffe:ffff::1', 'allowed'],
  ['3fff::1', 'documentation'],
  ['3fff:fff::1', 'documentation'],
  ['3fff:1000::1', 'allowed'],
  ['4000::1', 'not-global-unicast'],
  ['5f00::1', 'segment-routing'],
  ['fbff::1', 'not-global-unicast'],
  ['fc00::1', 'unique-local'],
  ['fdff::1', 'unique-local'],
  ['fe00::1', 'not-global-unicast'],
  ['fe80::1', 'link-local'],
  ['febf::1', 'link-local'],
  ['fec0::1', 'site-local'],
  ['ff02::1', 'multicast'],
  ['2a00:1450:4001::1', 'allowed'],
]

describe('the special-purpose registries', () => {
  for (const [address, expected] of table)
    test(`${address}: ${expected}`, () => assert.equal(verdict(address), expected))
})

describe('IPv4 inside IPv6 is judged too', () => {
  for (const [form, address, expected] of [
    ['mapped, loopback', '::ffff:127.0.0.1', 'loopback'],
    ['mapped, in hexadecimal', '::ffff:7f00:1', 'loopback'],
    ['mapped, metadata service', '::ffff:a9fe:a9fe', 'link-local'],
    ['mapped, public', '::ffff:8.8.8.8', 'allowed'],
    ['NAT64, private', '64:ff9b::10.0.0.1', 'private'],
    ['NAT64, loopback', '64:ff9b::7f00:1', 'loopback'],
    ['NAT64, public', '64:ff9b::8.8.8.8', 'allowed'],
    ['beside NAT64', '64:ff9b:0:0:0:1:808:808', 'not-global-unicast'],
    ['local NAT64', '64:ff9b:1::8.8.8.8', 'nat64-local'],
    ['6to4, private', '2002:c0a8:101::1', 'private'],
    ['6to4, public', '2002:808:808::1', 'allowed'],
    ['Teredo, public server and client', '2001:0:808:808:0:0:f7f7:f7f7', 'teredo'],
  ] as const) {
    test(`${form}: ${expected}`, () => assert.equal(verdict(address), expected))
  }

  test('an exception for the outside does not open the inside', () => {
    const local = { exceptions: [network('64:ff9b:1::/48')] }
    assert.equal(verdict('64:ff9b:1::8.8.8.8', local), 'allowed')
    assert.equal(verdict('64:ff9b:1::127.0.0.1', local), 'loopback')
    assert.equal(verdict('64:ff9b:1:abcd::10.0.0.1', local), 'private')
    // RFC 6052 §2.2 under a /48: 8.8.8.8, then 10.0.0.1.
    assert.equal(verdict('64:ff9b:1:808:8:800::', local), 'allowed')
    assert.equal(verdict('64:ff9b:1:a00:0:100::', local), 'private')
    const teredo = { exceptions: [network('2001::/32')] }
    assert.equal(verdict('2001:0:808:808:0:0:f7f7:f7f7', teredo), 'allowed')
    assert.equal(verdict('2001:0:a00:1:0:0:f7f7:f7f7', teredo), 'private')
    assert.equal(verdict('2001:0:808:808:0:0:80ff:fffe', teredo), 'loopback')
  })

  test('a mapped address is judged as its IPv4 address, always', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        assert.equal(verdict(`::ffff:${address}`), verdict(address))
        assert.equal(verdict(`64:ff9b::${address}`), verdict(address))
      }),
    )
  })
})

describe('what is no plain address', () => {
  for (const [text, expected] of [
    ['', 'not-an-address'],
    ['localhost', 'not-an-address'],
    ['0x7f.1', 'not-an-address'],
    ['127.1', 'not-an-address'],
    ['2130706433', 'not-an-address'],
    ['0177.0.0.1', 'not-an-address'],
    ['127.0.0.1 ', 'not-an-address'],
    ['[::1]', 'not-an-address'],
    ['fe80::1%eth0', 'zone-index'],
    ['2000::1%1', 'zone-index'],
  ] as const) {
    test(`"${text}": ${expected}`, () => assert.equal(verdict(text), expected))
  }

  test('never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.ipV6()), (text) => void verdict(text)))
  })
})

describe('exceptions', () => {
  test('open a network and nothing beside it', () => {
    const rules = { exceptions: [network('10.1.0.0/16'), network('fd00:1::/32')] }
    assert.deepEqual(
      ['10.1.255.255', '10.2.0.0', 'fd00:1::1', 'fd00:2::1', '::ffff:10.1.2.3'].map((address) =>
        verdict(address, rules),
      ),
      ['allowed', 'private', 'allowed', 'unique-local', 'allowed'],
    )
  })
})

describe('our own listeners', () => {
  const rules = (address: string) => ({
    ownListeners: [{ address, port: 2525 }],
    exceptions: [network('127.0.0.0/8'), network('::1')],
  })

  test('are refused at their port, in every form, against any exception', () => {
    const own = rules('127.0.0.1')
    assert.equal(verdict('127.0.0.1', { ...own, port: 2525 }), 'own-listener')
    assert.equal(verdict('::ffff:127.0.0.1', { ...own, port: 2525 }), 'own-listener')
    assert.equal(verdict('127.0.0.1', { ...own, port: 25 }), 'allowed')
    assert.equal(verdict('127.0.0.2', { ...own, port: 2525 }), 'allowed')
    assert.equal(verdict('8.8.8.8', { ownListeners: [{ address: '8.8.8.8', port: 25 }] }), 'own-listener')
    assert.equal(verdict('64:ff9b::808:808', { ownListeners: [{ address: '8.8.8.8', port: 25 }] }), 'own-listener')
  })

  test('on a wildcard are all of loopback', () => {
    for (const wildcard of ['0.0.0.0', '::', '::ffff:0.0.0.0']) {
      for (const address of ['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '::']) {
        assert.equal(verdict(address, { ...rules(wildcard), port: 2525 }), 'own-listener', `${address} of ${wildcard}`)
      }
    }
  })

  test('on a wildcard are the addresses of the machine', () => {
    const machine = ['198.51.100.7', '2001:db8::7']
    assert.deepEqual(expandWildcards([{ address: '0.0.0.0', port: 25 }], machine), [
      { address: '0.0.0.0', port: 25 },
      { address: '198.51.100.7', port: 25 },
    ])
    assert.deepEqual(
      expandWildcards([{ address: '::', port: 25 }], machine).map(({ address }) => address),
      ['::', '198.51.100.7', '2001:db8::7'],
    )
    assert.deepEqual(expandWildcards([{ address: '192.0.2.1', port: 25 }], machine), [
      { address: '192.0.2.1', port: 25 },
    ])
  })
})

describe('networks in CIDR notation', () => {
  test('addresses are read as the system reads them', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV6(),
          fc.ipV4().map((v4) => `::${v4}`),
        ),
        (text) => {
          const list = new BlockList()
          list.addAddress(text, 'ipv6')
          const hex = Buffer.from(addressBytes(text) ?? []).toString('hex')
          assert.equal(list.check(hex.match(/.{4}/g)?.join(':') ?? '', 'ipv6'), true, `${text} is not ${hex}`)
        },
      ),
    )
  })

  for (const [text, kind] of [
    ['10.0.0.1/8', 'host-bits-set'],
    ['10.0.0.0/33', 'prefix-length'],
    ['10.0.0.0/', 'prefix-length'],
    ['10.0.0.0/-1', 'prefix-length'],
    ['10.0.0.0/8/8', 'not-an-address'],
    ['10.0/8', 'not-an-address'],
    ['fe80::%eth0/64', 'not-an-address'],
    ['2001:db8::1/64', 'host-bits-set'],
  ] as const) {
    test(`refuse ${text}: ${kind}`, () => assert.deepEqual(parseCidr(text), { ok: false, error: { kind } }))
  }

  test('one address is a network of itself, and /0 is everything of its family', () => {
    assert.equal(cidrContains(network('192.0.2.1'), [192, 0, 2, 1]), true)
    assert.equal(cidrContains(network('192.0.2.1'), [192, 0, 2, 2]), false)
    assert.equal(cidrContains(network('0.0.0.0/0'), [255, 1, 2, 3]), true)
    assert.equal(cidrContains(network('::/0'), [255, 1, 2, 3]), false)
  })
})
