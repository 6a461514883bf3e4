/** What Redis says of itself, judged for a queue that must not lose mail. Pure. */
import { formatBytes } from '../table.ts'
import type { RedisFacts } from './facts.ts'
import type { Finding } from './finding.ts'

const CHECK = 'Redis'
/** A message takes about ten commands one after the other: slower answers are felt. */
const SLOW_ANSWER_MS = 5
/** Intake stops at 85 % of maxmemory. */
const MEMORY_WARN_SHARE = 0.7

export function assessRedis(facts: RedisFacts): readonly Finding[] {
  if (facts.kind === 'unreachable') {
    const found = `${facts.place} cannot be used: ${facts.detail}`
    return [{ check: CHECK, grade: 'fail', found, advice: 'check that it runs, and [queue] redis_url' }]
  }
  return [durabilityFinding(facts), answerFinding(facts), memoryFinding(facts)]
}

type Asked = Extract<RedisFacts, { readonly kind: 'asked' }>

function durabilityFinding({ place, verdict, wanted, findings }: Asked): Finding {
  const check = 'durability'
  const text = findings.join('; ')
  if (verdict === 'durable') return { check, grade: 'ok', found: `${place} keeps what it answers through a power cut` }
  if (verdict === 'unusable') {
    return { check, grade: 'fail', found: `${place} cannot hold a queue: ${text}`, advice: 'name another Redis' }
  }
  const advice = 'change these in redis.conf, or with CONFIG SET and CONFIG REWRITE'
  return wanted === 'strict'
    ? { check, grade: 'fail', found: `${place} may lose accepted mail, so the relay does not start: ${text}`, advice }
    : { check, grade: 'warn', found: `relaxed: ${place} may lose accepted mail: ${text}`, advice }
}

function answerFinding({ place, answerMs }: Asked): Finding {
  const median = answerMs[Math.floor(answerMs.length / 2)] ?? 0
  const found = `${place} answers in ${median.toFixed(2)} ms at the middle, ${(answerMs.at(-1) ?? 0).toFixed(2)} ms at worst`
  if (median > SLOW_ANSWER_MS) return { check: CHECK, grade: 'warn', found, advice: 'a nearer Redis is faster' }
  return { check: CHECK, grade: 'ok', found }
}

function memoryFinding({ memory }: Asked): Finding {
  const check = 'Redis memory'
  if (memory === undefined) {
    const found = 'maxmemory is not set: a long queue can take all memory of that machine'
    return { check, grade: 'warn', found, advice: 'CONFIG SET maxmemory, with maxmemory-policy noeviction' }
  }
  const { usedBytes, maxBytes } = memory
  const found = `${formatBytes(usedBytes)} of ${formatBytes(maxBytes)} are used`
  if (usedBytes < maxBytes * MEMORY_WARN_SHARE) return { check, grade: 'ok', found }
  return { check, grade: 'warn', found: `${found}; intake stops at 85 %`, advice: 'give it more memory' }
}
