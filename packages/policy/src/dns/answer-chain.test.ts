import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as codec from 'dns-packet'
import fc from 'fast-check'
import { parseOwnerName } from '../domain-name.ts'
import { followChain } from './answer-chain.ts'
import { type DnsResponse, decodeMessage, isResponse } from './message.ts'

const alias = (target: string): codec.Answer => ({ type: 'CNAME', name: 'a.test', ttl: 60, data: target })

test('two canonical names for one alias are malformed (RFC 2181 §10.1), the same one twice is not', () => {
  assert.deepEqual(follow([alias('b.test'), alias('c.test')]), {
    ok: false,
    error: { kind: 'malformed', detail: 'several CNAMEs' },
  })
  assert.deepEqual(follow([alias('b.test'), alias('B.test')]), {
    ok: true,
    value: { end: { kind: 'alias' }, name: 'b.test', ttlSeconds: 60 },
  })
})

test('a TTL with its top bit set is zero (RFC 2181 §8)', () => {
  const step = follow([{ type: 'A', name: 'a.test', ttl: 0x8000_0001, data: '192.0.2.1' }])
  assert.equal(step.ok && step.value.ttlSeconds, 0)
})

test('records of another class do not count', () => {
  const step = follow([{ type: 'A', name: 'a.test', ttl: 5, class: 'CH', data: '192.0.2.1' }])
  assert.deepEqual(step.ok && step.value.end, { kind: 'absent', reason: 'nodata' })
})

test('whatever bytes a server sends, reading them ends in a value', () => {
  const whole = codec.encode({
    type: 'response',
    questions: [{ name: 'a.test', type: 'MX' }],
    answers: [alias('b.test'), { type: 'MX', name: 'b.test', ttl: 5, data: { preference: 1, exchange: 'mx.test' } }],
    authorities: [{ type: 'NS', name: 'test', data: 'ns.test' }],
  })
  const mutation = fc.tuple(fc.nat(whole.length - 1), fc.nat(255))
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), fc.nat(whole.length), (mutations, cut) => {
      const bytes = Buffer.from(whole)
      for (const [at, value] of mutations) bytes[at] = value
      const message = decodeMessage(cut % 2 === 0 ? bytes : bytes.subarray(0, cut))
      if (message.ok && isResponse(message.value)) chainOf(message.value)
    }),
    { numRuns: 2_000 },
  )
})

function follow(answers: readonly codec.Answer[]): ReturnType<typeof followChain> {
  return chainOf({
    rcode: 'NOERROR',
    extendedError: undefined,
    authenticData: false,
    truncated: false,
    answers,
    authorities: [],
  })
}

function chainOf(message: DnsResponse): ReturnType<typeof followChain> {
  const name = parseOwnerName('a.test')
  assert(name.ok)
  return followChain(message, { name: name.value, type: 'A' }, new Set())
}
