import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf, problemsOf } from './config-lab.ts'

const api = (...lines: readonly string[]): string => `[api]\n${lines.join('\n')}\n`
const LOOPBACK = 'listen = "127.0.0.1:9126"'
const OUTSIDE = 'listen = "192.0.2.1:9126"'
const TOKENS = 'token_file = "./tokens.json"'

test('there is no API unless it has a place, and no place without tokens', () => {
  assert.equal(configOf(undefined).api.listen, undefined)
  assert.equal(configOf(api(LOOPBACK, TOKENS)).api.listen?.port, 9126)
  assert.match(problemsOf(api(LOOPBACK)).join(), /api\.listen has no token_file; write token_file/)
})

test('tokens do not cross a network in clear unless somebody says that it is protected', () => {
  assert.match(problemsOf(api(OUTSIDE, TOKENS)).join(), /api\.listen would send tokens in clear over a network/)
  assert.deepEqual(problemsOf(api(OUTSIDE, TOKENS, 'allow_cleartext = true')), [])
  for (const address of ['"[::1]:9126"', '"127.0.0.2:9126"']) {
    assert.deepEqual(problemsOf(api(`listen = ${address}`, TOKENS)), [])
  }
  assert.match(problemsOf(api('listen = "0.0.0.0:9126"', TOKENS)).join(), /in clear/)
})

test('a certificate has a key, and both can be used', () => {
  assert.match(problemsOf(api(LOOPBACK, TOKENS, 'cert_file = "./c.pem"')).join(), /cert_file has no private key/)
  assert.match(problemsOf(api(LOOPBACK, TOKENS, 'key_file = "./k.pem"')).join(), /key_file has no certificate/)
  const pair = ['cert_file = "./c.pem"', 'key_file = "./k.pem"']
  assert.match(problemsOf(api(OUTSIDE, TOKENS, ...pair)).join(), /api\.cert_file cannot be read/)
})

test('its port is its own', () => {
  const settings = `[metrics]\nlisten = "127.0.0.1:9126"\n${api(LOOPBACK, TOKENS)}`
  assert.match(problemsOf(settings).join(), /api\.listen takes port 9126, which another setting takes too/)
})

test('a process without the role has no API, whatever is written', () => {
  const redis = '[queue]\nengine = "redis"\nredis_url = "redis://127.0.0.1:6379/0"\ncontent_dir = "./content"\n'
  assert.equal(configOf(`role = "delivery"\n${redis}${api(LOOPBACK, TOKENS)}`).api.listen, undefined)
})
