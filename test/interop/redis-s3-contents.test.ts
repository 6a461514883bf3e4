/**
 * Contents of a shared queue in a bucket: a real redis-server, and s3rver as the S3-compatible store. What several nodes and a
 * store behind a network add to the contract of contents (`redis-s3-contract.test.ts`).
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { S3Bucket } from '../../packages/mta/src/spool/adapters/s3-bucket.ts'
import { newQueueId } from '../../packages/mta/src/spool/queue-id.ts'
import { claimOne, delivered, eventually, settlement } from '../../packages/mta/src/spool/spool.fixture.ts'
import { type Content, ContentUnreadable, StoreUnavailable } from '../../packages/mta/src/spool/spool.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { type S3Server, startS3 } from '../lab/s3-server.ts'
import { messageNow, type OpenedSpool, RedisSpoolLab } from './redis-spool-lab.ts'

/** Above what Redis keeps; the last one goes in parts. */
const SIZES = [20_000, 300 * 1024, 17 * 1024 * 1024 + 3]

interface World {
  readonly s3: S3Server
  readonly lab: RedisSpoolLab
  /** One more node, with a directory of its own. */
  node(): Promise<OpenedSpool>
  objects(): Promise<readonly string[]>
  /** Gone from every node, but not from the bucket. */
  forgetCopies(): void
}

async function worldOf(t: TestContext): Promise<World> {
  const s3 = await startS3()
  const lab = await RedisSpoolLab.start(t)
  // After the spools, which may be sweeping.
  t.after(() => s3[Symbol.asyncDispose]())
  const bucket = new S3Bucket(s3.place)
  const copies: string[] = []
  return {
    s3,
    lab,
    node: () => {
      const contentDir = join(lab.directory, `copies-${copies.length}`)
      copies.push(contentDir)
      return lab.open({ contentDir, bucket: s3.place })
    },
    objects: async () => (await bucket.list('')).map(({ name }) => name).filter((name) => !name.startsWith('of-')),
    forgetCopies: () => {
      for (const path of copies) {
        for (const name of readdirSync(path)) if (name !== 'incoming') rmSync(join(path, name), { recursive: true })
      }
    },
  }
}

async function accept(spool: StoredSpool, bytes: Buffer) {
  const id = newQueueId()
  const sink = spool.stage(id)
  for (let at = 0; at < bytes.length; at += 1_000_000) await sink.write(bytes.subarray(at, at + 1_000_000))
  const sent = messageNow([1], { id, content: await sink.finish() })
  return { id, outcome: await spool.accept(sent) }
}

async function read(content: Content): Promise<Buffer> {
  return content.kind === 'memory' ? Buffer.from(content.bytes) : Buffer.concat(await content.open().toArray())
}

function pathOf({ directory, place }: S3Server, id: string): string {
  return join(directory, place.bucket, place.prefix, id.slice(-2), `${id}._S3rver_object`)
}

test('large contents come back byte for byte, on the node that took them and on others; settled they are gone', async (t) => {
  const { node, objects } = await worldOf(t)
  const [first, second] = [await node(), await node()]
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const { id, outcome } = await accept(first.spool, bytes)
    assert.deepEqual(outcome, { kind: 'accepted' })
    assert.deepEqual(await objects(), [`${id.slice(-2)}/${id}`])
    for (const { spool } of [first, second]) {
      assert.ok((await read(await spool.open(id))).equals(bytes), `${size} octets`)
    }
    await second.spool.settle((await claimOne(second.spool)).token, settlement('a', [delivered()]))
    await eventually('its object is gone', async () => (await objects()).length === 0)
  }
})

test('what is damaged or missing is unreadable, for that message alone; a bucket that is away is neither', async (t) => {
  const { s3, node, forgetCopies } = await worldOf(t)
  const { spool } = await node()
  const [damaged, missing, whole] = await Promise.all([1, 2, 3].map(() => accept(spool, randomBytes(40_000))))
  assert.ok(damaged !== undefined && missing !== undefined && whole !== undefined)
  forgetCopies()
  writeFileSync(pathOf(s3, damaged.id), randomBytes(40_000))
  rmSync(pathOf(s3, missing.id))
  await assert.rejects(spool.open(damaged.id), ContentUnreadable)
  await assert.rejects(spool.open(missing.id), ContentUnreadable)
  await s3.close()
  await assert.rejects(spool.open(whole.id), StoreUnavailable)
  await s3.open()
  assert.equal((await spool.open(whole.id)).size, 40_000)
})

test('while the bucket is away mail is refused for now, and nothing of it is kept; then all goes on by itself', async (t) => {
  const { s3, node, objects } = await worldOf(t)
  const { spool } = await node()
  const { id: before } = await accept(spool, randomBytes(40_000))
  await s3.close()
  const refused = await accept(spool, randomBytes(40_000))
  assert.equal(refused.outcome.kind, 'unavailable')
  await s3.open()
  await eventually('it takes mail again', () => spool.health().intake === 'open')
  assert.deepEqual((await accept(spool, randomBytes(40_000))).outcome, { kind: 'accepted' })
  assert.equal((await spool.admin.summary()).messages, 2)
  assert.ok((await objects()).includes(`${before.slice(-2)}/${before}`))
})

test('a bucket of another queue, or of a Redis that lost its data, is not touched', async (t) => {
  const { s3, lab, node } = await worldOf(t)
  const { spool } = await node()
  await accept(spool, randomBytes(40_000))
  const other = await openRedisSpool(lab.options({ queue: 'other', bucket: s3.place }))
  assert.ok(!other.ok && other.error.kind === 'foreign-content')
})

test('a wrong key is told by the code of the store', async (t) => {
  const { s3 } = await worldOf(t)
  const bucket = new S3Bucket({ ...s3.place, accessKeyId: 'nobody' })
  await assert.rejects(bucket.list(''), { name: 'S3Failed', code: 'InvalidAccessKeyId' })
})
