import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { unregisteredCodes } from './enhanced-codes.ts'
import { isProduction, typescriptFiles } from './sources.ts'

test('EXT-19: the relay writes registered enhanced status codes only', () => {
  covers('EXT-19', { observe: 'pure' })
  const relay = typescriptFiles().filter(({ path }) => path.startsWith('packages/mta/') && isProduction(path))
  assert.deepEqual(relay.flatMap(unregisteredCodes), [])
})

test('an unregistered code is found, a registered one, an address and a comment are not', () => {
  const find = (text: string) => unregisteredCodes({ path: 'packages/mta/src/a.ts', text }).length
  assert.equal(find("reply(550, '5.7.31 no')"), 1)
  assert.equal(find("const status = '4.9.0'"), 1)
  assert.equal(find("'5.7.30', '2.0.0', '192.0.2.1', '4.4.3.2', 'RFC 5321 §4.5.3' // 5.9.9"), 0)
})
