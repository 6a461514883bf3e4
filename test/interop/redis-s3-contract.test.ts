/**
 * The contract of contents on a bucket: the same suite as for directories, on a real redis-server and s3rver, each test in
 * a queue and below a prefix of its own. After a restart nothing is left of copies, so contents come from the bucket.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { after, before, describe } from 'node:test'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { parseQueueId } from '../../packages/mta/src/spool/queue-id.ts'
import type { SpoolPlace } from '../../packages/mta/src/spool/spool.fixture.ts'
import { type ContentRest, contentContract } from '../../packages/mta/src/spool/spool-content.contract.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { type S3Server, startS3 } from '../lab/s3-server.ts'

/** How s3rver calls the file with the octets of an object. */
const OBJECT = '._S3rver_object'

let redis: RedisServer | undefined
let s3: S3Server | undefined
before(async () => {
  redis = await startRedis()
  s3 = await startS3()
})
after(async () => {
  await redis?.[Symbol.asyncDispose]()
  await s3?.[Symbol.asyncDispose]()
})

async function open(place: SpoolPlace): Promise<StoredSpool> {
  assert.ok(redis !== undefined && s3 !== undefined)
  const contentDir = contentDirOf(place)
  forgetCopies(contentDir)
  const opened = await openRedisSpool({
    address: { url: redis.socket },
    queue: basename(place.dataDir),
    durability: 'strict',
    dataDir: place.dataDir,
    contentDir,
    bucket: { ...s3.place, prefix: prefixOf(place) },
    maxBytes: place.maxBytes,
    emit: ({ event }) => place.events.push(event),
    hooks: {
      faults: place.faults,
      time: () => place.clock.now,
      monotonicNow: () => place.clock.mono,
      diskFreeBytes: () => place.disk.freeBytes,
    },
  })
  assert.ok(opened.ok, JSON.stringify(opened))
  return opened.value
}

const bucketRest: ContentRest = {
  names: (place) => [...objects(place), ...arriving(place)].map((path) => nameIn(path)),
  write: (place, { beside, name, bytes }) => {
    const directory = (parseQueueId(name) ?? beside).slice(-2)
    const path = join(bucketDirectory(place), directory, `${name}${OBJECT}`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
    for (const more of ['metadata.json', 'object.md5']) {
      const own = path.replace(/object$/, more)
      if (!existsSync(own)) writeFileSync(own, more === 'metadata.json' ? '{}' : '"0"')
    }
    forgetCopies(contentDirOf(place))
  },
  age: (place, { ms, name }) => {
    const at = (Date.now() - ms) / 1000
    for (const path of [...objects(place), ...arriving(place)]) {
      if (name === undefined || nameIn(path) === name) utimesSync(path, at, at)
    }
  },
}

function prefixOf({ dataDir }: SpoolPlace): string {
  return `${basename(dataDir)}/`
}

function contentDirOf({ dataDir }: SpoolPlace): string {
  return join(dataDir, 'content')
}

/** Gone from the node; the bucket has them. */
function forgetCopies(contentDir: string): void {
  if (!existsSync(contentDir)) return
  for (const name of readdirSync(contentDir)) {
    if (name !== 'incoming') rmSync(join(contentDir, name), { recursive: true })
  }
}

function bucketDirectory(place: SpoolPlace): string {
  assert.ok(s3 !== undefined)
  return join(s3.directory, s3.place.bucket, prefixOf(place))
}

function objects(place: SpoolPlace): readonly string[] {
  return filesBelow(bucketDirectory(place)).filter((path) => path.endsWith(OBJECT) && !nameIn(path).startsWith('of-'))
}

function arriving(place: SpoolPlace): readonly string[] {
  return filesBelow(join(contentDirOf(place), 'incoming'))
}

function filesBelow(directory: string): readonly string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

function nameIn(path: string): string {
  return basename(path, OBJECT)
}

describe('content in a bucket', { concurrency: 4 }, () =>
  contentContract(open, { inlineBytesMax: 16 * 1024, rest: bucketRest }),
)
