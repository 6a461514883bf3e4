import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf, problemsOf } from './config-lab.ts'

const BULK = '[[source]]\naddress = "127.0.0.2"\npool = "bulk"\n'
const ROUTE = '[[route]]\ndomain = "*"\nhost = "smtp.example.net"\n'

test('addresses are in the pool "default" unless another is written, and may have names of their own', () => {
  const { source } = configOf(`[[source]]\naddress = "2001:DB8::1"\nhostname = "Out1.Example.com"\n${BULK}`)
  assert.deepEqual(
    source.map(({ address, pool, hostname }) => [address, pool, hostname?.kind === 'name' ? hostname.name : hostname]),
    [
      ['2001:db8::1', 'default', 'out1.example.com'],
      ['127.0.0.2', 'bulk', undefined],
    ],
  )
})

test('a route names a pool that there is', () => {
  assert.equal(configOf(`${BULK}${ROUTE}source_pool = "bulk"\n`).route[0]?.source_pool, 'bulk')
  assert.deepEqual(problemsOf(`${BULK}${ROUTE}source_pool = "main"\n`), [
    'hermetic.toml:7:1: route[0].source_pool names a pool that no [[source]] is in: "main"; write a [[source]] with pool = "main", or another pool',
  ])
})

test('an address is in a pool once, and is one', () => {
  assert.match(problemsOf(`${BULK}${BULK}`).join(), /is in the pool "bulk" twice/)
  assert.match(problemsOf('[[source]]\naddress = "0.0.0.0"\n').join(), /no address that mail can leave from/)
  assert.match(problemsOf('[[source]]\naddress = "out.example"\n').join(), /IPv4 or IPv6 address/)
  assert.match(problemsOf('[[source]]\naddress = "127.0.0.2"\npool = "a/b"\n').join(), /small letters/)
})

test('two routes to one smarthost may leave from different pools', () => {
  const other = '[[route]]\ndomain = "example.com"\nhost = "smtp.example.net"\n'
  assert.deepEqual(problemsOf(`${BULK}${ROUTE}source_pool = "bulk"\n${other}tls = "opportunistic"\n`), [])
})
