import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QueueId } from '../spool/queue-id.ts'
import type { Claim } from '../spool/spool.ts'
import { ThreadDeaths } from './thread-deaths.ts'

const claim = (id: string): Claim => ({ id: id as QueueId }) as Claim
const ids = (claims: readonly Claim[]): readonly string[] => claims.map(({ id }) => id)

test('one death accuses nobody; the second in a row sets aside who was there in both', () => {
  const deaths = new ThreadDeaths(2)
  const first = deaths.died([claim('a'), claim('b')])
  assert.deepEqual([ids(first.again), ids(first.alone)], [['a', 'b'], []])
  const second = deaths.died([claim('b'), claim('c')])
  assert.deepEqual([ids(second.again), ids(second.alone)], [['c'], ['b']])
})

test('an attempt that ended in between acquits', () => {
  const deaths = new ThreadDeaths(2)
  deaths.died([claim('a')])
  deaths.survived([claim('a')])
  assert.deepEqual(ids(deaths.died([claim('a')]).alone), [])
})

test('several claims of one message are one death', () => {
  assert.deepEqual(ids(new ThreadDeaths(2).died([claim('a'), claim('a')]).alone), [])
})
