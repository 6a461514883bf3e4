import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SpooledDelivery } from '../message-state.ts'
import { address, deferred, lane, message, NOON } from '../spool.fixture.ts'
import { StoreFailed } from '../store-failed.ts'
import { messageRecord } from '../store-message.ts'
import {
  claimRecord,
  deliveryArguments,
  entryRecord,
  messageArguments,
  type RedisArgument,
  readReply,
  storedDelivery,
} from './redis-records.ts'

/** As the scripts write a delivery. */
function raw(revision: string, [state, due, attempts, open, at, tail]: readonly RedisArgument[]): string {
  return `${revision} ${state} ${due} ${attempts} ${open} ${at}\n${tail}`
}

/** As the scripts answer a message: facts, envelope, content, first delivery. */
function stored(args: readonly RedisArgument[]) {
  const [id, envelope, inline, content, cost, file, size, received, count, ...delivery] = args.map(String)
  const facts = `${count} ${cost} ${file} ${size} ${received}`
  const bytes = inline === '1' ? (args[3] as Buffer) : null
  return {
    id: String(id),
    facts,
    envelope: String(envelope),
    content: bytes,
    text: content,
    delivery: raw('1', delivery),
  }
}

function newRecord(bytes: Uint8Array, more: Parameters<typeof message>[1] = {}) {
  const one = message([1], { content: { kind: 'memory', bytes }, ...more })
  return { one, record: messageRecord(one, { kind: 'inline', bytes }, NOON) }
}

test('a delivery comes back as it was written, whatever its texts', () => {
  const delivery = fc.record({
    lane: fc.constantFrom(lane(1), lane(2)),
    state: fc.constantFrom('queued', 'held', 'quarantined', 'settled'),
    dueAt: fc.integer({ min: 0 }),
    attempts: fc.nat(),
    reason: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
    delayNoticeAt: fc.option(fc.nat(), { nil: undefined }),
    texts: fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 4 }),
  })
  fc.assert(
    fc.property(delivery, fc.nat(), ({ texts, reason, delayNoticeAt, ...rest }, revision) => {
      const written: SpooledDelivery = {
        ...rest,
        ...(reason === undefined ? {} : { reason }),
        ...(delayNoticeAt === undefined ? {} : { delayNoticeAt }),
        recipients: texts.map((text, index) => ({
          index,
          address: { ...address('r'), localPart: text },
          state: 'open',
          ambiguousCount: 0,
          lastOutcome: deferred(index),
        })),
      }
      const read = storedDelivery(raw(String(revision), deliveryArguments(written)))
      assert.deepEqual(read, { revision: String(revision), delivery: written })
    }),
  )
})

test('a message is claimed and shown as it was accepted', () => {
  const { one, record } = newRecord(Buffer.from('Hello\n'), { messageIdHeader: '<"a\nb"@example.com>' })
  const { id, facts, envelope, delivery } = stored(messageArguments(record))
  const row = [id, '0', facts, envelope, delivery].map((text) => Buffer.from(text))
  const claim = claimRecord(row, 'me.1').record
  assert.deepEqual(JSON.parse(claim.envelope), one.envelope)
  assert.deepEqual([claim.token, claim.receivedAt, claim.expiresAt], [`${id}/0/me.1`, NOON, one.expiresAt])
  const entry = entryRecord([id, facts, envelope, delivery, '1'].map((text) => Buffer.from(text)))
  assert.deepEqual([entry.messageIdHeader, entry.deliveries[0]?.state], ['<"a\nb"@example.com>', 'in-delivery'])
})

test('a content comes back byte for byte, compressed or not; damaged it is told as damaged', () => {
  const read = (bytes: Uint8Array, spoil: (content: Buffer) => Buffer = (content) => content) => {
    const { facts, envelope, content } = stored(messageArguments(newRecord(bytes).record))
    assert.ok(content !== null)
    return readReply([Buffer.from(facts), Buffer.from(envelope), spoil(content)])
  }
  for (const bytes of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(16_384, 'text '), randomBytes(5000)]) {
    const reply = read(bytes)
    assert.ok(reply.kind === 'inline' && bytes.equals(reply.bytes))
  }
  const text = Buffer.alloc(16_384, 'text ')
  const { content } = stored(messageArguments(newRecord(text).record))
  assert.ok((content?.byteLength ?? text.byteLength) < 1000, 'text is compressed')
  assert.equal(read(text, (bytes) => bytes.subarray(0, -1)).kind, 'damaged')
  assert.equal(read(randomBytes(100), () => randomBytes(100)).kind, 'damaged')
  assert.equal(readReply([null, null, null]).kind, 'missing')
})

test('a message whose content is a file says its size and its hash', () => {
  const { one } = newRecord(Buffer.from(''))
  const sha256 = hash('sha256', 'content', 'buffer')
  const { facts, envelope } = stored(messageArguments(messageRecord(one, { kind: 'file', size: 70_000, sha256 }, NOON)))
  const reply = readReply([Buffer.from(facts), Buffer.from(envelope), null])
  assert.deepEqual(reply, { kind: 'file', size: 70_000, sha256 })
})

test('a number that the scripts could not keep is refused before anything is sent', () => {
  for (const value of [Number.NaN, 1.5, Number.POSITIVE_INFINITY]) {
    const { record } = newRecord(Buffer.from('x'))
    assert.throws(() => messageArguments({ ...record, expiresAt: value }), StoreFailed)
    const delivery: SpooledDelivery = { lane: lane(), state: 'queued', dueAt: value, attempts: 0, recipients: [] }
    assert.throws(() => deliveryArguments(delivery), StoreFailed)
  }
})
