import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HostAddresses, type MxCandidate, parseDomainName, type ResolvedCandidate } from '@hermetic/policy'
import { candidateLevel, preferenceLevels, warmFirst } from './candidates.ts'

const LIMIT = { addressesPerHostMax: 5, domain: candidate('x.test').mxHostname }

function candidate(name: string, preference = 10): MxCandidate {
  const mxHostname = parseDomainName(name)
  assert.ok(mxHostname.ok)
  return { mxHostname: mxHostname.value, preference, implicit: false }
}

function addresses(...list: readonly string[]): HostAddresses {
  const allowed = list.map((address) => ({ address, family: 4 as const }))
  return {
    kind: 'addresses',
    allowed,
    refused: [],
    secure: false,
    canonicalName: candidate('x.test').mxHostname,
    ttlSeconds: 60,
  }
}

function refused(reason: 'loopback' | 'own-listener'): HostAddresses {
  const found = addresses()
  assert.ok(found.kind === 'addresses')
  return { ...found, refused: [{ address: '127.0.0.1', family: 4, reason: reason as 'own-listener' }] }
}

function host(name: string, found: HostAddresses, preference = 10): ResolvedCandidate {
  return { candidate: candidate(name, preference), addresses: found }
}

test('hosts of one preference are one level, in the order given', () => {
  const levels = preferenceLevels([candidate('a.test', 5), candidate('b.test', 5), candidate('c.test', 20)])
  assert.deepEqual(
    levels.map((level) => level.map(({ mxHostname }) => mxHostname)),
    [['a.test', 'b.test'], ['c.test']],
  )
})

describe('the hosts of a level', () => {
  test('keep their order and their addresses, up to the limit', () => {
    const level = candidateLevel(
      [host('a.test', addresses('192.0.2.1', '192.0.2.2')), host('b.test', addresses('192.0.2.3'))],
      { ...LIMIT, addressesPerHostMax: 1 },
    )
    assert.deepEqual(
      level.hosts.map((one) => [one.mxHostname, one.addresses]),
      [
        ['a.test', ['192.0.2.1']],
        ['b.test', ['192.0.2.3']],
      ],
    )
  })

  for (const [what, found, kind] of [
    ['no address', { kind: 'absent', reason: 'nodata', secure: false, ttlSeconds: 1 }, 'no-address'],
    ['only addresses that may not be dialled', refused('loopback'), 'address-refused'],
    [
      'a failed lookup',
      { kind: 'failure', lookup: 'address', name: candidate('a.test').mxHostname, reason: { kind: 'timeout' } },
      'dns-failure',
    ],
  ] as const) {
    test(`a host with ${what} is unusable: ${kind}`, () => {
      const level = candidateLevel([host('a.test', found), host('b.test', addresses('192.0.2.3'))], LIMIT)
      assert.equal(level.hosts.length, 1)
      assert.deepEqual(
        level.unusable.map(({ cause }) => cause.kind),
        [kind],
      )
    })
  }

  test('a family that could not be asked keeps a refused host transient', () => {
    const found = { ...refused('loopback'), incomplete: { family: 6, reason: { kind: 'timeout' } } } as HostAddresses
    assert.equal(candidateLevel([host('a.test', found)], LIMIT).unusable[0]?.cause.kind, 'dns-failure')
  })

  test('our own address ends the walk, and is a loop when nobody better is there', () => {
    const level = candidateLevel(
      [host('us.test', refused('own-listener')), host('b.test', addresses('192.0.2.3'))],
      LIMIT,
    )
    assert.equal(level.last, true)
    assert.deepEqual(level.hosts, [])
    assert.equal(level.unusable[0]?.cause.kind, 'mail-loop')
  })
})

test('a host with an idle connection comes first, the others keep their order', () => {
  const { hosts } = candidateLevel(
    ['a.test', 'b.test', 'c.test'].map((name) => host(name, addresses('192.0.2.1'))),
    LIMIT,
  )
  const order = warmFirst(hosts, ({ mxHostname }) => mxHostname === 'b.test').map(({ mxHostname }) => mxHostname)
  assert.deepEqual(order, ['b.test', 'a.test', 'c.test'])
})
