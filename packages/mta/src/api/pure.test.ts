import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isOwnName, ownNames } from './host-names.ts'
import { formatCursor, parseCursor } from './paging.ts'
import { CallRates, LONG_AT_ONCE_MAX } from './rates.ts'
import { readFields, readQuery } from './read-fields.ts'
import { generateApiToken, parseTokenFile } from './token-file.ts'
import { received, sent } from './wire-names.ts'

test('a server on loopback is called localhost, its address or its own name, and by no other name', () => {
  const own = ownNames({ address: '127.0.0.1', named: ['api.example.com'], hostname: 'Relay.example.com' }, true)
  for (const host of [
    'localhost',
    'LOCALHOST:9126',
    '127.0.0.1:9126',
    '[::1]:1',
    'relay.example.com',
    'api.example.com:443',
  ]) {
    assert.ok(isOwnName(host, own), host)
  }
  for (const host of [
    undefined,
    '',
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'localhost:9126:1',
    '[::1',
    'a@localhost',
  ]) {
    assert.ok(!isOwnName(host, own), String(host))
  }
  const outside = ownNames({ address: '192.0.2.1', named: [], hostname: 'relay.example.com' }, false)
  assert.ok(!isOwnName('localhost', outside) && isOwnName('192.0.2.1:9126', outside))
})

test('a cursor is for the list that gave it, and whatever else is sent is refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer()), (after) => {
      assert.deepEqual(parseCursor('listMessages', formatCursor('listMessages', after)), { ok: true, value: after })
    }),
  )
  assert.equal(parseCursor('listMessages', formatCursor('listPolicies', 'x')).ok, false)
  fc.assert(fc.property(fc.string(), (text) => void parseCursor('listMessages', text)))
  for (const value of ['null', '[]', '["listMessages"]', '["listMessages",{}]', '["listMessages","a","b"]', '{']) {
    assert.equal(parseCursor('listMessages', Buffer.from(value).toString('base64url')).ok, false, value)
  }
})

test('names are snake_case on the wire; domains, lanes and the names of RFC 8460 stay', () => {
  const value = { oldestReceivedAt: 1, lanes: [{ dueAt: 2 }], 'mx:example.com:25': { x: 1 }, 'policy-type': 'sts' }
  assert.deepEqual(sent(value), {
    ...{ oldest_received_at: 1, lanes: [{ due_at: 2 }], 'mx:example.com:25': { x: 1 }, 'policy-type': 'sts' },
  })
  assert.deepEqual(received({ arrived_before: 5, lane: 'x' }), { arrivedBefore: 5, lane: 'x' })
})

const FIELDS = {
  text: { type: 'string', sentence: '', max: 3 },
  number: { type: 'integer', sentence: '', max: 10 },
  flag: { type: 'boolean', sentence: '' },
  texts: { type: 'strings', sentence: '', max: 2 },
  needed: { type: 'string', sentence: '', required: true },
} as const

test('a field has its type and its limit, and one that nobody knows is refused', () => {
  const good = { needed: 'x', text: 'abc', number: 10, flag: false, texts: ['a', 'b'] }
  assert.deepEqual(readFields(good, FIELDS), { ok: true, value: good })
  for (const wrong of [
    ...[
      { text: 'abcd' },
      { text: 1 },
      { number: 11 },
      { number: -1 },
      { number: 1.5 },
      { number: '1' },
      { flag: 'true' },
    ],
    ...[
      { texts: 'a' },
      { texts: ['a', 'b', 'c'] },
      { texts: [1] },
      { other: 1 },
      { needed: undefined },
      { constructor: 1 },
    ],
  ]) {
    assert.equal(readFields({ needed: 'x', ...wrong }, FIELDS).ok, false, JSON.stringify(wrong))
  }
  assert.equal(readFields({}, FIELDS).ok, false)
  for (const body of [null, [], 'x', 1]) assert.equal(readFields(body, FIELDS).ok, false)
  assert.equal(readFields(JSON.parse('{"needed":"x","__proto__":{"flag":true}}'), FIELDS).ok, false)
})

test('a query is read by the types of its fields, and what is said twice is refused', () => {
  const read = readQuery({ needed: ['x'], number: ['7'], flag: ['true'], texts: ['a', 'b'] }, FIELDS)
  assert.deepEqual(read, { ok: true, value: { needed: 'x', number: 7, flag: true, texts: ['a', 'b'] } })
  for (const wrong of [
    { number: ['7', '8'] },
    { number: ['0x7'] },
    { number: ['-1'] },
    { flag: ['1'] },
    { toString: ['x'] },
  ]) {
    assert.equal(readQuery({ needed: ['x'], ...wrong }, FIELDS).ok, false, JSON.stringify(wrong))
  }
})

test('a token may ask often, not without end; others do not notice', () => {
  let now = 0
  const rates = new CallRates(() => now)
  let taken = 0
  while (rates.waitS('a') === 0) taken += 1
  assert.equal(taken, 200)
  assert.equal(rates.waitS('b'), 0)
  now += 1_000
  assert.equal(rates.waitS('a'), 0)
})

test('a few long orders run at once, and a place is free again when one fails', async () => {
  const rates = new CallRates(() => 0)
  const ends: (() => void)[] = []
  const running = Array.from({ length: LONG_AT_ONCE_MAX }, () =>
    rates.long(() => new Promise<void>((end) => ends.push(end))),
  )
  assert.equal(await rates.long(async () => 'x'), undefined)
  for (const end of ends) end()
  await Promise.all(running)
  await assert.rejects(rates.long(() => Promise.reject(new Error('no'))))
  assert.deepEqual(await rates.long(async () => 'x'), { answer: 'x' })
})

test('a token file has names once, roles that there are, and no secrets', () => {
  const { secret, record } = generateApiToken('ops', { role: 'operate', now: 0 })
  assert.match(secret, /^hermetic_[\w-]{27}$/)
  const text = (...tokens: readonly unknown[]): string => JSON.stringify({ version: 1, tokens })
  assert.ok(!text(record).includes(secret))
  assert.deepEqual(parseTokenFile(text(record)), { ok: true, value: [record] })
  for (const wrong of [
    ...[
      '',
      'null',
      '[]',
      '{"version":2,"tokens":[]}',
      text(record, record),
      text(null),
      text({ ...record, role: 'root' }),
    ],
    ...[text({ ...record, name: 'a b' }), text({ ...record, name: '' }), text({ ...record, hash: secret })],
  ]) {
    assert.equal(parseTokenFile(wrong).ok, false, wrong)
  }
})
