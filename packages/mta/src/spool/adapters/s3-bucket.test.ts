/** A store that is slow, silent or elsewhere, at a port of this machine; what a good one does, s3rver shows in `test/interop`. */
import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { S3Bucket } from './s3-bucket.ts'
import type { S3Patience } from './s3-wait.ts'

const CHUNK = Buffer.alloc(1000, 'x')
const PATIENCE: S3Patience = { answerMs: 400, idleMs: 400, octetsPerSecondMin: 1_000_000 }

async function withStore(
  answer: (response: ServerResponse) => void,
  use: (bucket: S3Bucket) => Promise<void>,
  patience: Partial<S3Patience> = {},
): Promise<void> {
  const server = createServer((_request, response) => answer(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const place = {
    ...{ endpoint: `http://127.0.0.1:${address.port}`, bucket: 'mail', prefix: 'relay/', region: 'us-east-1' },
    ...{ accessKeyId: 'someone', secretAccessKey: 'secret' },
  }
  try {
    await use(new S3Bucket(place, { ...PATIENCE, ...patience }))
  } finally {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}

/** One chunk at a time, as a slow link brings them. */
function trickle(response: ServerResponse, { chunks, everyMs }: { readonly chunks: number; readonly everyMs: number }) {
  response.setHeader('content-length', chunks * CHUNK.length)
  response.flushHeaders()
  let sent = 0
  const timer = setInterval(() => {
    response.write(CHUNK)
    sent += 1
    if (sent === chunks) response.end()
  }, everyMs)
  response.on('close', () => clearInterval(timer))
}

async function sizeOf(bucket: S3Bucket): Promise<number> {
  let size = 0
  for await (const chunk of await bucket.get('some')) size += chunk.length
  return size
}

describe('how long a bucket is waited for', { concurrency: true }, () => {
  test('an object over a slow link comes whole, however much longer it takes than an answer may', async () => {
    const startedAt = performance.now()
    await withStore(
      (response) => trickle(response, { chunks: 12, everyMs: 80 }),
      async (bucket) => assert.equal(await sizeOf(bucket), 12 * CHUNK.length),
      { idleMs: 5000, octetsPerSecondMin: 1000 },
    )
    assert.ok(performance.now() - startedAt > 2 * PATIENCE.answerMs)
  })

  test('one that falls silent in the middle of an object is given up', async () => {
    await withStore(
      (response) => response.writeHead(200, { 'content-length': 5000 }).write(CHUNK),
      (bucket) => assert.rejects(sizeOf(bucket), { name: 'S3Failed', code: 'no answer' }),
      { octetsPerSecondMin: 1 },
    )
  })

  test('one that never falls silent and never ends is given up after what the size allows', async () => {
    await withStore(
      (response) => trickle(response, { chunks: 1000, everyMs: 20 }),
      (bucket) => assert.rejects(sizeOf(bucket), { name: 'S3Failed', code: 'no answer' }),
    )
  })

  test('one that does not answer is given up; one that closes in the middle is told from it', async () => {
    await withStore(
      () => undefined,
      async (bucket) => {
        await assert.rejects(sizeOf(bucket), { code: 'no answer' })
        await assert.rejects(bucket.put('some', CHUNK), { code: 'no answer' })
      },
    )
    await withStore(
      (response) => {
        response.writeHead(200, { 'content-length': 5000 }).write(CHUNK, () => response.destroy())
      },
      (bucket) => assert.rejects(sizeOf(bucket), { code: 'connection lost' }),
    )
  })
})

test('a store that sends elsewhere is not followed: its own code is told', async () => {
  const elsewhere = '<Error><Code>PermanentRedirect</Code></Error>'
  await withStore(
    (response) => response.writeHead(301, { location: 'http://127.0.0.1:9/' }).end(elsewhere),
    (bucket) => assert.rejects(bucket.put('some', CHUNK), { code: 'PermanentRedirect' }),
  )
})
