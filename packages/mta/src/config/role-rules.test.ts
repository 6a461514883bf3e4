import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROLES } from '../nodes/role.ts'
import { configOf, problemsOf } from './config-lab.ts'

const REDIS = '[queue]\nengine = "redis"\nredis_url = "redis://127.0.0.1:6379/0"\ncontent_dir = "./content"\n'

test('without a word of it a process has all roles', () => {
  assert.deepEqual(configOf(undefined).role, ROLES)
})

test('an embedded queue has one process, which may only leave out the API', () => {
  assert.deepEqual(configOf('role = "submission, delivery, reporter"').role, ['submission', 'delivery', 'reporter'])
  assert.deepEqual(problemsOf('role = "submission"'), [
    'hermetic.toml:1:1: role leaves out delivery and reporter, and an embedded queue has no other process that could do it; ' +
      'name submission, delivery and reporter (api may be left out), or write engine = "redis" in [queue]',
  ])
  assert.deepEqual(configOf(`role = "submission"\n${REDIS}`).role, ['submission'])
})

test('the environment says it too, and wins over the file', () => {
  const env = { HERMETIC_ROLE: 'reporter,api' }
  assert.deepEqual(configOf(`role = "submission"\n${REDIS}`, { env }).role, ['reporter', 'api'])
  assert.match(problemsOf('', { env: { HERMETIC_ROLE: 'sender' } }).join(), /HERMETIC_ROLE.*one or more of submission/)
})

test('what belongs to another process is as if it were not written', () => {
  const settings = (role: string): string => `role = "${role}"
threads = 2
${REDIS}
[[listener]]
kind = "relay"
port = 2525
tls = "none"
allow_networks = ["127.0.0.0/8"]
[socketmap]
listen = "127.0.0.1:8461"
`
  const delivery = configOf(settings('delivery'))
  assert.deepEqual([delivery.listener.length, delivery.socketmap.listen, delivery.threads], [0, undefined, 2])
  const submission = configOf(settings('submission'))
  assert.deepEqual([submission.listener.length, submission.socketmap.listen?.kind, submission.threads], [1, 'tcp', 2])
  assert.equal(configOf(settings('reporter')).threads, 1)
})

test('certificates and keys that another process uses need not be here', () => {
  const listener = '[[listener]]\nkind = "submission"\nport = 2587\ncert_file = "./no.pem"\nkey_file = "./no.key"\n'
  const key = '[[dkim]]\ndomain = "example.com"\nselector = "s1"\nkey_file = "./no.dkim"\n'
  assert.deepEqual(problemsOf(`role = "api"\n${REDIS}${listener}${key}`), [])
  assert.match(problemsOf(`role = "submission"\n${REDIS}${listener}`).join(), /no\.pem/)
  assert.match(problemsOf(`role = "delivery"\n${REDIS}${key}`).join(), /no\.dkim/)
})
