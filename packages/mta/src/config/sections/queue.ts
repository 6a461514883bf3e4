/** `[queue]`: where accepted mail rests, and where the Redis of many relays is. */
import { hostAndPort } from '../host-and-port.ts'
import { defaulted, listOf, optional, table } from '../setting.ts'
import { boolean, choice, integer, matching, path, secret, size } from '../value-types.ts'

/** Everybody who can be asked where Redis is. */
const REDIS_NODES_MAX = 16
/** What redis-server takes for a name in sentinel.conf. */
const MASTER_NAME = /^[A-Za-z0-9._-]{1,100}$/
const redisUser = matching('user name', 'a name without spaces', /^\S{1,256}$/)
const redisPassword = secret('password', 'the password', (text) => text !== '')
const S3_URL = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[A-Za-z0-9._/-]{0,200})?$/
const S3_ENDPOINT = /^https?:\/\/[A-Za-z0-9.[\]:-]{1,260}$/
const REDIS_URL = /^(?:rediss?:\/\/\S{1,1000}|\/[^\0]{1,107})$/

export const queue = table(
  { sentence: 'Where accepted mail rests.' },
  {
    engine: defaulted(choice('embedded', 'redis'), 'embedded', {
      sentence:
        'embedded keeps the queue in SQLite and files under data_dir; redis keeps it, and what is remembered of policies, in Redis, where any number of relays share it.',
      source: 'docs/operating/redis.md',
    }),
    redis_url: optional(
      secret('Redis URL', 'redis://…, rediss://… (TLS), or the path of a unix socket', (text) => REDIS_URL.test(text)),
      {
        sentence: 'Where Redis is, with its user and password; relays with the same URL share one queue.',
        source: 'docs/operating/redis.md',
        whenAbsent: 'none; needed with engine = "redis"',
        example: '"redis://127.0.0.1:6379/0"',
      },
    ),
    redis_sentinels: listOf(hostAndPort, [], {
      sentence: 'In place of redis_url: the Sentinels, which name the server that is the master now.',
      source: 'docs/operating/redis-failover.md',
      maxItems: REDIS_NODES_MAX,
    }),
    redis_master: optional(matching('name of a master', 'letters, digits, dots, dashes or underscores', MASTER_NAME), {
      sentence: 'What the Sentinels call the master.',
      source: 'docs/operating/redis-failover.md',
      whenAbsent: 'none; needed with redis_sentinels',
      example: '"mail"',
    }),
    redis_cluster: listOf(hostAndPort, [], {
      sentence: 'In place of redis_url: some nodes of a Redis Cluster; they tell of the others.',
      source: 'docs/operating/redis-failover.md',
      maxItems: REDIS_NODES_MAX,
    }),
    redis_username: optional(redisUser, {
      sentence: 'The user at a master that Sentinels name, or at the nodes of a Cluster.',
      source: 'docs/operating/redis-failover.md',
      whenAbsent: 'the default user',
      example: '"hermetic"',
    }),
    redis_password: optional(redisPassword, {
      sentence: 'The password of redis_username.',
      source: 'docs/operating/redis-failover.md',
      whenAbsent: 'no login',
    }),
    redis_sentinel_username: optional(redisUser, {
      sentence: 'The user at the Sentinels.',
      source: 'docs/operating/redis-failover.md',
      whenAbsent: 'the default user',
      example: '"hermetic"',
    }),
    redis_sentinel_password: optional(redisPassword, {
      sentence: 'The password at the Sentinels.',
      source: 'docs/operating/redis-failover.md',
      whenAbsent: 'no login',
    }),
    redis_database: defaulted(integer({ min: 0, max: 1023 }), 0, {
      sentence: 'The database at a master that Sentinels name; a Cluster has only 0.',
      source: 'docs/operating/redis-failover.md',
    }),
    redis_tls: defaulted(boolean, false, {
      sentence:
        'Whether Sentinels, masters and nodes of a Cluster are spoken to in TLS, with certificates that are checked.',
      source: 'docs/operating/redis-failover.md',
    }),
    durability: optional(choice('strict', 'relaxed'), {
      sentence:
        'strict starts only on a Redis that loses nothing in a power cut; relaxed starts on others too, and says what mail it may lose.',
      source: 'architecture §3',
      whenAbsent: 'strict',
      example: '"strict"',
    }),
    content_dir: optional(path, {
      sentence: 'A directory that all relays of the queue share, for messages above 16 KiB.',
      source: 'docs/operating/redis.md',
      whenAbsent: 'none; needed with engine = "redis"',
      example: '"./content"',
    }),
    content_url: optional(matching('bucket URL', 's3://bucket or s3://bucket/prefix', S3_URL), {
      sentence: 'In place of content_dir: a bucket of an S3-compatible store, for messages above 16 KiB.',
      source: 'docs/operating/redis-contents.md',
      whenAbsent: 'none; content_dir has them',
      example: '"s3://hermetic-mail"',
    }),
    s3_endpoint: optional(matching('URL of an S3 endpoint', 'https://…, without the bucket', S3_ENDPOINT), {
      sentence: 'Where the S3-compatible store answers, without the bucket.',
      source: 'docs/operating/redis-contents.md',
      whenAbsent: 'https://s3.<s3_region>.amazonaws.com',
      example: '"https://minio.example.com:9000"',
    }),
    s3_region: optional(matching('region', 'e.g. "eu-central-1"', /^[a-z0-9-]{1,64}$/), {
      sentence: 'The region that requests are signed for.',
      source: 'docs/operating/redis-contents.md',
      whenAbsent: 'us-east-1',
      example: '"us-east-1"',
    }),
    s3_access_key_id: optional(matching('access key id', 'the id of the access key', /^\S{1,128}$/), {
      sentence: 'The id of the access key.',
      source: 'docs/operating/redis-contents.md',
      whenAbsent: 'none; needed with content_url',
      example: '"AKIAEXAMPLE"',
    }),
    s3_secret_access_key: optional(
      secret('secret access key', 'the secret of the access key', (text) => text !== ''),
      {
        sentence: 'The secret of the access key.',
        source: 'docs/operating/redis-contents.md',
        whenAbsent: 'none; needed with content_url',
      },
    ),
    max_bytes: defaulted(size({ min: 16 * 1024 ** 2, max: 512 * 1024 ** 4 }), '10 GiB', {
      sentence:
        'Size of the queue; no new mail at 85 %, no deliveries at 95 %, nor when the disk or Redis is as full as that.',
      source: 'architecture §3',
    }),
  },
)
