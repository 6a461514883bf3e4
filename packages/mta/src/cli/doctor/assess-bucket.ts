/** What a try of the bucket says for mail. Pure. */
import { bucketAdvice } from '../bucket-advice.ts'
import type { BucketFacts, BucketStep } from './facts.ts'
import type { Finding } from './finding.ts'

const CHECK = 'bucket'
/** Each large message waits for a write before its 250, and for a read on another node. */
const SLOW_MS = 2_000

const STEPS: Readonly<Record<BucketStep, string>> = {
  list: 'its objects cannot be listed',
  write: 'an object cannot be written',
  read: 'an object that was written cannot be read',
  remove: 'an object cannot be removed',
}

export function assessBucket({ place, outcome, left }: BucketFacts): Finding {
  if (outcome.kind === 'works') {
    const found = `${place} listed, took, gave back and removed an object in ${Math.round(outcome.tookMs)} ms`
    if (outcome.tookMs <= SLOW_MS) return { check: CHECK, grade: 'ok', found }
    return { check: CHECK, grade: 'warn', found, advice: 'a nearer store makes every large message faster' }
  }
  if (outcome.kind === 'differs') {
    const found = `${place} gave back something else than what was written`
    return {
      check: CHECK,
      grade: 'fail',
      found,
      advice: 'is a cache in front of it? Name the store in [queue] s3_endpoint',
    }
  }
  const remains = left === undefined ? '' : `; ${left} is still there and may be removed by hand`
  const found = `${place}: ${STEPS[outcome.step]}: ${outcome.detail}${remains}`
  return { check: CHECK, grade: 'fail', found, advice: bucketAdvice(outcome.code) }
}
