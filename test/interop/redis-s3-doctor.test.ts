/** What `doctor` says of a bucket, and `start` when it cannot be used: s3rver as the store, the settings as an operator writes them. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Finding } from '../../packages/mta/src/cli/doctor/finding.ts'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { S3Bucket } from '../../packages/mta/src/spool/adapters/s3-bucket.ts'
import { startRedis } from '../lab/redis-server.ts'
import { type S3Server, startS3 } from '../lab/s3-server.ts'

type Written = Partial<S3Server['place']>

function settingsOf({ place }: S3Server, redisUrl: string, more: Written = {}): string {
  const { endpoint, bucket, prefix, accessKeyId, secretAccessKey } = { ...place, ...more }
  return `
hostname = "relay.example.test"
[dns]
servers = ["127.0.0.1:9"]
trust = "none"
[queue]
engine = "redis"
redis_url = "${redisUrl}"
content_url = "s3://${bucket}/${prefix.replace(/\/$/, '')}"
s3_endpoint = "${endpoint}"
s3_access_key_id = "${accessKeyId}"
s3_secret_access_key = "${secretAccessKey}"
`
}

test('doctor writes, reads and removes an object below the prefix, and says what is wrong and where; so does start', async () => {
  using lab = new TerminalLab()
  await using s3 = await startS3()
  await using redis = await startRedis()
  mkdirSync(join(lab.directory, 'data'), { mode: 0o700 })
  const written = (more?: Written) => lab.file('hermetic.toml', settingsOf(s3, redis.socket, more))
  const bucketFinding = async (): Promise<Finding | undefined> => {
    const findings: readonly Finding[] = JSON.parse((await lab.run('doctor', '--json')).out)
    return findings.find(({ check }) => check === 'bucket')
  }
  const { endpoint } = s3.place

  written()
  const good = await bucketFinding()
  assert.equal(good?.grade, 'ok')
  assert.ok(good.found.startsWith(`${endpoint}/mail/relay/ listed, took, gave back and removed`))
  assert.deepEqual(await new S3Bucket({ ...s3.place, prefix: '' }).list(''), [], 'nothing stays there')

  for (const [more, place, detail, advice] of [
    [{ bucket: 'nosuch' }, `${endpoint}/nosuch/relay/`, 'NoSuchBucket', '[queue] content_url'],
    [{ accessKeyId: 'nobody' }, `${endpoint}/mail/relay/`, 'InvalidAccessKeyId', '[queue] s3_access_key_id'],
  ] as const) {
    written(more)
    const bad = await bucketFinding()
    assert.equal(bad?.grade, 'fail')
    assert.equal(bad?.found, `${place}: its objects cannot be listed: ${detail}`)
    assert.ok(bad?.advice?.includes(advice))
    const start = await lab.run('start')
    assert.notEqual(start.code, 0)
    assert.ok(start.err.includes(`the bucket ${place} cannot be used: ${detail}`), start.err)
    assert.ok(start.err.includes(advice), start.err)
    assert.doesNotMatch(start.err, /redis_url/)
  }

  written()
  await s3.close()
  const away = await bucketFinding()
  assert.match(away?.found ?? '', /cannot be listed: no connection \(ECONNREFUSED\)$/)
  assert.match(away?.advice ?? '', /\[queue\] s3_endpoint/)
  await s3.open()

  // What another queue has in it is its own.
  await new S3Bucket(s3.place).put('of-other-1', new Uint8Array())
  const foreign = await lab.run('start')
  assert.notEqual(foreign.code, 0)
  assert.ok(foreign.err.includes(`${endpoint}/mail/relay/ does not have the contents of this queue`), foreign.err)
  assert.match(foreign.err, /name one bucket and prefix \(\[queue\] content_url\)/)
  assert.doesNotMatch(foreign.err, /one directory/)
})
