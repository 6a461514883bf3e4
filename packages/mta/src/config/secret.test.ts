import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { Secret } from './secret.ts'

const secret = new Secret('hunter2')

for (const [way, print] of [
  ['a template', () => `${secret}`],
  ['concatenation', () => `${secret}x`],
  ['String()', () => String(secret)],
  ['JSON', () => JSON.stringify({ a: [secret] })],
  ['inspect', () => inspect({ a: { b: [secret] } }, { depth: 9, showHidden: true })],
  ['format', () => format('%s %o %O %j', secret, secret, secret, secret)],
  ['a spread copy', () => JSON.stringify({ ...secret })],
  ['own keys', () => Reflect.ownKeys(secret).map(String).join(' ')],
] as const) {
  test(`a secret does not show in ${way}`, () => {
    assert.ok(!print().includes('hunter2'))
  })
}

test('a secret can be revealed by asking for it', () => {
  assert.equal(secret.reveal(), 'hunter2')
})
