/** Every scenario runs on both engines, or a reason why not is written down. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scenariosOnRedis } from '../../tools/on-both-engines.ts'

test('each scenario is said to run on both engines, or to be the same on any', () => {
  assert.ok(scenariosOnRedis(new URL('../../', import.meta.url)).length > 0)
})
