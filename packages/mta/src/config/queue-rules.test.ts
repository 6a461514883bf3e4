import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf, problemsOf } from './config-lab.ts'
import { bucketPlace } from './content-bucket.ts'
import { redisAddress } from './redis-servers.ts'

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
    assert.deepEqual(redisAddress(queue.redis, 'k'), { url: 'redis://:hunter2@127.0.0.1/1' })
    assert.doesNotMatch(JSON.stringify(queue), /hunter2/)
  })

  test('Sentinels name a master, with passwords of their own that are not shown', () => {
    const login = 'redis_username = "h"\nredis_password = "hunter2"\nredis_sentinel_password = "hunter3"\n'
    const { queue } = configOf(
      `${REDIS}content_dir = "c"\nredis_sentinels = ["s1.example:26379", "[2001:db8::1]:26379"]\nredis_master = "mail"\n` +
        `${login}redis_tls = true\nredis_database = 2\n`,
    )
    assert.ok(queue.engine === 'redis')
    assert.doesNotMatch(JSON.stringify(queue), /hunter/)
    const sentinels = [
      { host: 's1.example', port: 26_379 },
      { host: '2001:db8::1', port: 26_379 },
    ]
    assert.deepEqual(redisAddress(queue.redis, 'k'), {
      ...{ kind: 'sentinels', sentinels, master: 'mail', database: 2, tls: true },
      ...{ login: { username: 'h', password: 'hunter2' }, sentinelLogin: { password: 'hunter3' } },
    })
  })

  test('a bucket takes the place of the shared directory, and its secret is not shown', () => {
    const { queue } = configOf(
      `${REDIS}redis_url = "redis://r"\ncontent_url = "s3://mail/of/relay"\ns3_endpoint = "https://s3.example:9000"\n` +
        's3_access_key_id = "id"\ns3_secret_access_key = "hunter2"\n',
    )
    assert.ok(queue.engine === 'redis' && queue.bucket !== undefined)
    assert.match(queue.content_dir, /\/data\/content$/)
    assert.equal(bucketPlace(queue.bucket), 'https://s3.example:9000/mail/of/relay/')
    assert.doesNotMatch(JSON.stringify(queue), /hunter2/)
  })

  test('a Cluster is asked for the shard of a key', () => {
    const { queue } = configOf(`${REDIS}content_dir = "c"\nredis_cluster = ["r1:6379"]\nredis_password = "hunter2"\n`)
    assert.ok(queue.engine === 'redis')
    const nodes = [{ host: 'r1', port: 6379 }]
    const login = { password: 'hunter2' }
    assert.deepEqual(redisAddress(queue.redis, 'k'), { kind: 'cluster', nodes, login, tls: false, key: 'k' })
  })

  for (const [lines, told] of [
    ['redis_sentinels = ["s:1"]', 'queue.engine is redis, but redis_master is missing; write redis_master = "mail"'],
    [
      'redis_cluster = ["r:1"]\nredis_sentinels = ["s:1"]\nredis_master = "m"',
      'queue.redis_cluster names a Redis, and so does redis_sentinels; keep one of them',
    ],
    [
      'redis_cluster = ["r:1"]\nredis_database = 1',
      'queue.redis_database means nothing while redis_cluster names the Redis; remove it',
    ],
    [
      'redis_url = "redis://r"\nredis_password = "x"',
      'queue.redis_password means nothing while redis_url names the Redis; remove it',
    ],
    [
      'content_url = "s3://mail"',
      'queue.content_url says where contents are, and so does content_dir; keep one of them',
    ],
    ['s3_region = "x"', 'queue.s3_region means nothing while there is no content_url; remove it'],
    ['redis_cluster = ["r"]', 'is not a host with port: "r"; write a host name or an address, and a port'],
    ['redis_cluster = ["1.2.3:6379"]', 'is not a host with port'],
    ['redis_cluster = ["r:70000"]', 'is not a host with port'],
  ] as const) {
    test(`${lines.replaceAll('\n', ', ')}: ${told}`, () => {
      const problems = problemsOf(`${REDIS}content_dir = "c"\n${lines}\n`)
      assert.ok(
        problems.some((problem) => problem.includes(told)),
        problems.join('\n'),
      )
    })
  }

  for (const line of [
    'redis_cluster = ["r:1"]',
    'redis_tls = true',
    'redis_url = "/run/redis.sock"',
    'content_dir = "shared"',
    'durability = "relaxed"',
  ]) {
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
