import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../test/conformance/covers.ts'
import {
  CLOSES_AFTER_MS,
  DAY_MS,
  dateRange,
  dayClosesAt,
  dayEndsAt,
  dayStartsAt,
  isClosed,
  lastClosedDay,
  parseUtcDay,
  unixRange,
  utcDayOf,
} from './utc-day.ts'

const MIDNIGHT = Date.UTC(2026, 10, 22)

test('RPT-18: a session at 23:59:59.9Z belongs to that day, one at 00:00:00Z to the next', () => {
  covers('RPT-18', { observe: 'pure' })
  assert.equal(utcDayOf(MIDNIGHT - 100), '2026-11-21')
  assert.equal(utcDayOf(MIDNIGHT), '2026-11-22')
  const day = utcDayOf(MIDNIGHT - 1)
  assert.deepEqual(dateRange(day), { start: '2026-11-21T00:00:00Z', end: '2026-11-21T23:59:59Z' })
  assert.deepEqual(unixRange(day), { begin: 1795219200, end: 1795305599 })
  assert.equal(Date.parse(dateRange(day).end), unixRange(day).end * 1000)
})

test('a day closes 15 minutes after its end, and then it is the one to report', () => {
  const day = utcDayOf(MIDNIGHT - 1)
  const closes = MIDNIGHT + 15 * 60_000
  assert.equal(dayClosesAt(day), closes)
  assert.equal(isClosed(day, closes - 1), false)
  assert.equal(isClosed(day, closes), true)
  assert.equal(lastClosedDay(closes - 1), '2026-11-20')
  assert.equal(lastClosedDay(closes), '2026-11-21')
})

test('only days that exist are read', () => {
  for (const text of ['2026-02-28', '2028-02-29', '1970-01-01', '9999-12-31']) assert.equal(parseUtcDay(text), text)
  for (const text of [
    '2026-02-29',
    '2026-13-01',
    '2026-00-10',
    '26-01-01',
    '2026-1-1',
    '1969-12-31',
    '2026-01-01 ',
    '',
  ]) {
    assert.equal(parseUtcDay(text), undefined, text)
  }
})

test('every time lies in its day, days are as long as days, and their text reads back', () => {
  fc.assert(
    fc.property(fc.integer({ min: DAY_MS * 2, max: Date.UTC(9999, 0, 1) }), (at) => {
      const day = utcDayOf(at)
      assert.ok(dayStartsAt(day) <= at && at < dayEndsAt(day))
      assert.equal(utcDayOf(dayEndsAt(day) - 1), day)
      assert.equal(parseUtcDay(day), day)
      const last = lastClosedDay(at)
      assert.ok(isClosed(last, at) && at - dayClosesAt(last) < DAY_MS)
      assert.equal(dayClosesAt(last) - dayEndsAt(last), CLOSES_AFTER_MS)
    }),
  )
})
