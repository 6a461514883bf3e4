import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import type { Config } from '../config/schema.ts'
import { Secret } from '../config/secret.ts'
import { arrivedConfig, travellingConfig } from './travelling-config.ts'

const written = {
  hostname: { kind: 'name', name: 'relay.example.test' },
  route: [{ domain: undefined, password: new Secret('hunter2') }],
  threads: 2,
} as unknown as Config

test('a configuration arrives in a thread as it was, its secrets as secrets', () => {
  const arrived = arrivedConfig(structuredClone(travellingConfig(written)))
  assert.deepEqual(arrived, written)
  assert.equal(arrived.route[0]?.password?.reveal(), 'hunter2')
  assert.doesNotMatch(inspect(arrived, { depth: null }), /hunter2/)
})
