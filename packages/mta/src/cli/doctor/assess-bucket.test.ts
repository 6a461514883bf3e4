import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assessBucket } from './assess-bucket.ts'
import type { BucketFacts } from './facts.ts'

const place = 'https://store.example:9000/mail/relay/'
const failed = (code: string): BucketFacts => ({
  place,
  outcome: { kind: 'failed', step: 'write', code, detail: code },
})

describe('the bucket, as doctor sees it', () => {
  test('one that works is fine, a slow one is told about', () => {
    assert.equal(assessBucket({ place, outcome: { kind: 'works', tookMs: 12.3 } }).grade, 'ok')
    assert.equal(assessBucket({ place, outcome: { kind: 'works', tookMs: 5_000 } }).grade, 'warn')
  })

  test('one that gives back something else fails', () => {
    assert.equal(assessBucket({ place, outcome: { kind: 'differs' } }).grade, 'fail')
  })

  for (const [code, advice] of [
    ['NoSuchBucket', /\[queue\] content_url/],
    ['InvalidAccessKeyId', /\[queue\] s3_access_key_id/],
    ['SignatureDoesNotMatch', /\[queue\] s3_secret_access_key/],
    ['PermanentRedirect', /\[queue\] s3_region/],
    ['AccessDenied', /list, put, get and delete/],
    ['RequestTimeTooSkewed', /clock/],
    ['no connection', /\[queue\] s3_endpoint/],
    ['a code of another store', /the documents of the store/],
  ] as const) {
    test(`${code}: it names the place, and what to do`, () => {
      const finding = assessBucket(failed(code))
      assert.equal(finding.grade, 'fail')
      assert.equal(finding.found, `${place}: an object cannot be written: ${code}`)
      assert.match(finding.advice ?? '', advice)
    })
  }

  test('what is left in the bucket is named', () => {
    assert.match(assessBucket({ ...failed('AccessDenied'), left: 'probe-1' }).found, /probe-1 is still there/)
  })
})
