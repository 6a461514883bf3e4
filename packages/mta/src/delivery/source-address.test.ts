import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SourceAddresses } from './source-address.ts'

const source = (address: string) => ({ address, hostname: `${address}.example` })
const MAIN = { name: 'main', addresses: ['192.0.2.1', '2001:db8::1', '192.0.2.2'].map(source) }

function sources() {
  const clock = { now: 0 }
  const chosen = new SourceAddresses({ pools: [MAIN], monotonic: () => clock.now })
  const choose = (pool: string | undefined, family: 4 | 6) => {
    const choice = chosen.choose(pool, family)
    return choice.kind === 'source' ? choice.source.address : choice.kind
  }
  return { chosen, choose, clock }
}

test('without a pool the system chooses', () => {
  assert.equal(sources().choose(undefined, 4), 'any')
})

test('the addresses of a pool take turns, each family for itself', () => {
  const { choose } = sources()
  assert.deepEqual(
    [4, 4, 6, 4, 6].map((family) => choose('main', family === 4 ? 4 : 6)),
    ['192.0.2.1', '192.0.2.2', '2001:db8::1', '192.0.2.1', '2001:db8::1'],
  )
})

test('an address that is not on this machine is set aside for a minute', () => {
  const { chosen, choose, clock } = sources()
  chosen.setAside(source('192.0.2.1'))
  assert.deepEqual([choose('main', 4), choose('main', 4)], ['192.0.2.2', '192.0.2.2'])
  clock.now = 60_000
  assert.deepEqual(new Set([choose('main', 4), choose('main', 4)]), new Set(['192.0.2.1', '192.0.2.2']))
})

test('a pool without an address of the family, or one that is gone from the configuration, has none', () => {
  const { chosen, choose } = sources()
  chosen.setAside(source('2001:db8::1'))
  assert.equal(choose('main', 6), 'none')
  assert.equal(choose('gone', 4), 'none')
})
