import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import type { MxRecord } from '../dns/resolver.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { MAX_MX_HOSTS, orderMxSet } from './mx-set.ts'

const NOBODY = { names: [] }

test('SMTP-40: lowest preference first, equals in every order about equally often', () => {
  covers('SMTP-40', { observe: 'pure' })
  const records = mx([20, 'd.test'], [10, 'a.test'], [10, 'b.test'], [10, 'c.test'])
  const random = pseudoRandom(42)
  const orders = new Map<string, number>()
  for (let round = 0; round < 6_000; round++) {
    const order = hosts(orderMxSet(records, { self: NOBODY, random }))
    assert.equal(order.at(-1), 'd.test')
    orders.set(order.join(' '), (orders.get(order.join(' ')) ?? 0) + 1)
  }
  assert.equal(orders.size, 6)
  for (const [order, count] of orders) assert(count > 850 && count < 1_150, `${order}: ${count} of 6,000`)
})

test('the order is by preference and loses nobody, whatever chance says', () => {
  const record = fc.tuple(fc.nat(5), fc.nat(MAX_MX_HOSTS - 1))
  const chance = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
    minLength: 40,
    maxLength: 40,
  })
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 40 }), chance, (set, numbers) => {
      const [first, ...rest] = set.map(([preference, host]) => ({ preference, exchange: name(`h${host}.test`) }))
      assert(first !== undefined)
      let drawn = 0
      const ordered = orderMxSet([first, ...rest], { self: NOBODY, random: () => numbers[drawn++] ?? 0 })
      assert(ordered.kind === 'hosts')
      const preferences = ordered.hosts.map(({ preference }) => preference)
      assert.deepEqual(
        preferences,
        preferences.toSorted((a, b) => a - b),
      )
      assert.deepEqual(
        new Set(ordered.hosts.map(({ mxHostname }) => mxHostname)),
        new Set([first, ...rest].map(({ exchange }) => exchange)),
      )
    }),
  )
})

for (const [rule, records, outcome] of [
  [
    'a host listed twice counts at its better preference',
    mx([20, 'a.test'], [10, 'a.test'], [15, 'b.test']),
    ['a.test', 'b.test'],
  ],
  ['`.` beside other hosts is ignored', mx([0, '.'], [10, 'mx.test']), ['mx.test']],
  ['a lone `.` is a null MX', mx([0, '.']), 'null-mx'],
  ['a lone `.` of another preference is one too', mx([5, '.']), 'null-mx'],
  ['an exchange that is no hostname is skipped', mx([10, undefined], [20, 'mx.test']), ['mx.test']],
  ['nothing but such exchanges is nothing usable', mx([10, undefined], [0, '.']), 'no-usable-mx'],
] as const) {
  test(rule, () => assert.deepEqual(summary(orderMxSet(records, { self: NOBODY, random: () => 0 })), outcome))
}

const self = { names: [name('relay.test'), name('alias.test')] }
for (const [rule, records, outcome] of [
  [
    'worse than us is dropped, our level too',
    mx([10, 'a.test'], [20, 'relay.test'], [20, 'b.test'], [30, 'c.test']),
    ['a.test'],
  ],
  ['an alias of ours is us', mx([10, 'a.test'], [20, 'alias.test'], [30, 'c.test']), ['a.test']],
  ['our best level counts', mx([10, 'a.test'], [30, 'relay.test'], [10, 'alias.test']), 'mail-loop alias.test'],
  ['we alone are a loop', mx([10, 'relay.test']), 'mail-loop relay.test'],
] as const) {
  test(`ourselves: ${rule}`, () => assert.deepEqual(summary(orderMxSet(records, { self, random: () => 0 })), outcome))
}

test('a list has a bounded length, the best stay', () => {
  const [first, ...rest] = Array.from({ length: 500 }, (_, index) => ({
    preference: index,
    exchange: name(`h${index}.test`),
  }))
  assert(first !== undefined)
  const reversed = [...rest, first].reverse() as [MxRecord, ...MxRecord[]]
  const set = orderMxSet(reversed, { self: NOBODY, random: () => 0.5 })
  assert.equal(set.kind === 'hosts' && set.omitted, 500 - MAX_MX_HOSTS)
  assert.deepEqual(
    hosts(set),
    Array.from({ length: MAX_MX_HOSTS }, (_, index) => `h${index}.test`),
  )
})

function mx(...records: [number, string | undefined][]): [MxRecord, ...MxRecord[]] {
  return records.map(([preference, text]) => ({
    preference,
    exchange: text === undefined || text === '.' ? text : name(text),
  })) as [MxRecord, ...MxRecord[]]
}

function hosts(set: ReturnType<typeof orderMxSet>): readonly string[] {
  assert(set.kind === 'hosts', set.kind)
  return set.hosts.map(({ mxHostname }) => mxHostname)
}

function summary(set: ReturnType<typeof orderMxSet>): string | readonly string[] {
  if (set.kind === 'hosts') return hosts(set)
  return set.kind === 'mail-loop' ? `mail-loop ${set.name}` : set.kind
}

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}

/** Mulberry32: statistics that come out the same every time. */
function pseudoRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
