import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf, problemsOf } from './config-lab.ts'

const REDIS = '[queue]\nengine = "redis"\n'
const WHOLE = `${REDIS}redis_url = "redis://:hunter2@127.0.0.1/1"\ncontent_dir = "shared"\n`

describe('[queue]', () => {
  test('without it the queue is in data_dir', () => assert.equal(configOf('').queue.engine, 'embedded'))

  test('the Redis engine needs an address and a shared directory', () => {
    assert.deepEqual(problemsOf(REDIS), [
      'hermetic.toml:2:1: queue.engine is redis, but redis_url is missing; write redis_url = "redis://127.0.0.1:6379/0" in [queue]',
      'hermetic.toml:2:1: queue.engine is redis, but content_dir is missing; write content_dir = "./content" in [queue]',
    ])
  })

  test('complete, it is strict, its directory is absolute, and its password is not shown', () => {
    const { queue } = configOf(WHOLE)
    assert.ok(queue.engine === 'redis')
    assert.equal(queue.durability, 'strict')
    assert.match(queue.content_dir, /^\/.*\/shared$/)
    assert.equal(queue.redis_url.reveal(), 'redis://:hunter2@127.0.0.1/1')
    assert.doesNotMatch(JSON.stringify(queue), /hunter2/)
  })

  for (const line of ['redis_url = "/run/redis.sock"', 'content_dir = "shared"', 'durability = "relaxed"']) {
    test(`what means nothing for the embedded engine is told: ${line}`, () => {
      const [name = ''] = line.split(' ')
      assert.deepEqual(problemsOf(`[queue]\n${line}\n`), [
        `hermetic.toml:2:1: queue.${name} means nothing while engine is embedded; write engine = "redis", or remove it`,
      ])
    })
  }

  for (const url of ['127.0.0.1:6379', 'http://127.0.0.1', '']) {
    test(`"${url}" is no Redis URL, and is not repeated`, () => {
      const [problem = ''] = problemsOf(`${REDIS}content_dir = "c"\nredis_url = "${url}"\n`)
      assert.match(problem, /^hermetic\.toml:4:1: queue\.redis_url is not a Redis URL; write redis:\/\/…/)
    })
  }
})
