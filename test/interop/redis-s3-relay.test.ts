/** A whole relay whose large messages are in a bucket: the settings as an operator writes them, s3rver and a real redis-server. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { S3Bucket } from '../../packages/mta/src/spool/adapters/s3-bucket.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { type S3Server, startS3 } from '../lab/s3-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const LINE = `${'x'.repeat(76)}\r\n`

interface Ground {
  readonly directory: string
  readonly s3: S3Server
  readonly redis: RedisServer
  readonly mx: ScriptedMx
}

/** As an operator writes them. */
function settingsOf({ directory, s3, redis, mx }: Ground, top = ''): string {
  const { endpoint, bucket, prefix, region, accessKeyId, secretAccessKey } = s3.place
  return `
data_dir = "${directory}"
${top}
[queue]
engine = "redis"
redis_url = "${redis.socket}"
content_url = "s3://${bucket}/${prefix.replace(/\/$/, '')}"
s3_endpoint = "${endpoint}"
s3_region = "${region}"
s3_access_key_id = "${accessKeyId}"
s3_secret_access_key = "${secretAccessKey}"
[mta_sts]
enabled = false
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${mx.port}
`
}

function recordsOf(mx: ScriptedMx) {
  return { 'example.test': { MX: [[10, 'mx.example.test']] }, 'mx.example.test': { A: [mx.address] } } as const
}

/** The code of the reply that decided. */
async function submit(relay: WholeRelay, lines: number): Promise<number | undefined> {
  const client = await relay.greeted()
  const mail = await client.command('MAIL FROM:<app@sender.test>')
  if (mail.code !== 250) return mail.code
  await client.command('RCPT TO:<bob@example.test>')
  await client.command('DATA')
  client.send(`Subject: large\r\nFrom: <app@sender.test>\r\n\r\n${LINE.repeat(lines)}.\r\n`)
  const { code } = (await client.reply()) ?? {}
  await client.quit()
  return code
}

async function objectsIn({ place }: S3Server) {
  return (await new S3Bucket(place).list('')).filter(({ name }) => !name.startsWith('of-'))
}

test('a large message goes through the bucket and leaves it; while the bucket is away mail is refused for now', async () => {
  const directory = await mkdtemp(join(tmpdir(), 's3-relay-'))
  await using s3 = await startS3()
  await using redis = await startRedis()
  await using mx = await ScriptedMx.start()
  const settings = settingsOf({ directory: `${directory}/data`, s3, redis, mx })
  try {
    await using relay = await WholeRelay.start({ settings, records: recordsOf(mx) })
    const send = (lines: number) => submit(relay, lines)
    const objects = () => objectsIn(s3)
    mx.script = { RCPT: () => '450 4.2.0 later' }
    assert.equal(await send(4_000), 250)
    await relay.until(() => relay.eventsOf('message-settled').length === 1)
    assert.equal((await objects()).length, 1, 'it waits in the bucket')
    mx.script = {}
    assert.equal(await send(4_000), 250)
    await relay.until(() => mx.messages.length >= 1)
    assert.ok(mx.messages[0]?.content.includes(LINE.repeat(4_000)))
    await inTime(async () => (await objects()).length === 1, 'what was delivered is gone, what waits is there')

    await s3.close()
    assert.match(String(await send(4_000)), /^4/)
    await s3.open()
    await inTime(async () => (await send(4_000)) === 250, 'taken again by itself')
    await relay.until(() => mx.messages.length >= 2)
    await inTime(async () => (await objects()).length === 1, 'what was delivered is gone, what waits is there')
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

test('with threads, what one relay took is fetched from the bucket and delivered by the threads of another', async () => {
  const directory = await mkdtemp(join(tmpdir(), 's3-threads-'))
  await using s3 = await startS3()
  await using redis = await startRedis()
  await using mx = await ScriptedMx.start()
  const ground = { s3, redis, mx }
  const records = recordsOf(mx)
  const start = (role: string) =>
    WholeRelay.start({
      settings: settingsOf({ ...ground, directory: `${directory}/${role}` }, `threads = 2\nrole = "${role}"`),
      records,
    })
  try {
    await using taking = await start('submission')
    const codes = await Promise.all(Array.from({ length: 6 }, () => submit(taking, 4_000)))
    assert.deepEqual(new Set(codes), new Set([250]))
    assert.equal((await objectsIn(s3)).length, 6)
    await using delivering = await start('delivery')
    await mx.received(6)
    for (const { content } of mx.messages) assert.ok(content.includes(LINE.repeat(4_000)))
    assert.equal(delivering.eventsOf('threads-started').length, 1)
    assert.equal(taking.eventsOf('message-settled').length, 0)
    await inTime(async () => (await objectsIn(s3)).length === 0, 'what was delivered is gone')
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

async function inTime(condition: () => Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = performance.now() + 20_000
  while (!(await condition())) {
    assert.ok(performance.now() < giveUpAt, what)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
