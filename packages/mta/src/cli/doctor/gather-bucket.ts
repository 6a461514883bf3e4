/** Whether the bucket of large messages can be used: one small object below the prefix of the queue, there and gone again. */
import { randomBytes, randomUUID } from 'node:crypto'
import { bucketPlace, revealedBucket } from '../../config/content-bucket.ts'
import type { Config } from '../../config/schema.ts'
import { PROBE_BEGIN } from '../../spool/adapters/redis-content-owner.ts'
import { S3Bucket, S3Failed } from '../../spool/adapters/s3-bucket.ts'
import type { BucketFacts, BucketStep } from './facts.ts'

/** Random, so that no cache in between can answer for the store. */
const PROBE_BYTES = 32

export async function bucketFacts({ queue }: Pick<Config, 'queue'>): Promise<BucketFacts | undefined> {
  if (queue.engine !== 'redis' || queue.bucket === undefined) return undefined
  const place = bucketPlace(queue.bucket)
  const bucket = new S3Bucket(revealedBucket(queue.bucket))
  const name = `${PROBE_BEGIN}${randomUUID()}`
  const bytes = randomBytes(PROBE_BYTES)
  const startedAt = performance.now()
  let step: BucketStep = 'list'
  try {
    await bucket.first()
    step = 'write'
    await bucket.put(name, bytes)
    step = 'read'
    const found = await allOf(await bucket.get(name))
    step = 'remove'
    await bucket.remove(name)
    if (!found.equals(bytes)) return { place, outcome: { kind: 'differs' } }
    return { place, outcome: { kind: 'works', tookMs: performance.now() - startedAt } }
  } catch (error) {
    const { code, detail } = error instanceof S3Failed ? error : new S3Failed('connection lost', { cause: error })
    const outcome = { kind: 'failed', step, code, detail } as const
    return (await isLeft(bucket, { name, step })) ? { place, outcome, left: name } : { place, outcome }
  }
}

/** A write that failed may have been done all the same. */
async function isLeft(
  bucket: S3Bucket,
  { name, step }: { readonly name: string; readonly step: BucketStep },
): Promise<boolean> {
  if (step === 'list') return false
  const isRemoved = await bucket.remove(name).then(
    () => true,
    () => false,
  )
  return !isRemoved && step !== 'write'
}

async function allOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}
