import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, formatSize, parseDuration, parseSize } from './quantity.ts'

describe('durations', () => {
  for (const [text, ms] of [
    ['0s', 0],
    ['250ms', 250],
    ['25s', 25_000],
    ['5 m', 300_000],
    ['2h', 7_200_000],
    ['5d', 432_000_000],
  ] as const) {
    test(`"${text}" is ${ms} ms`, () => assert.deepEqual(parseDuration(text), { ok: true, value: ms }))
  }

  for (const text of ['', '25', 's', '-1s', '1.5h', '1h30m', '5 D', '٣s', '9999999999s', '5d\n']) {
    test(`${JSON.stringify(text)} is refused`, () => assert.equal(parseDuration(text).ok, false))
  }

  test('what is printed is read back as the same duration', () => {
    fc.assert(
      fc.property(fc.nat(999_999_999), (ms) => {
        assert.deepEqual(parseDuration(formatDuration(ms)), { ok: true, value: ms })
      }),
    )
  })
})

describe('sizes', () => {
  for (const [text, bytes] of [
    ['0 B', 0],
    ['512 B', 512],
    ['10MiB', 10_485_760],
    ['1 TiB', 1024 ** 4],
  ] as const) {
    test(`"${text}" is ${bytes} bytes`, () => assert.deepEqual(parseSize(text), { ok: true, value: bytes }))
  }

  for (const text of ['', '10', '10MB', '10 mib', '1.5 GiB', '-1 MiB', '999999999 TiB']) {
    test(`${JSON.stringify(text)} is refused`, () => assert.equal(parseSize(text).ok, false))
  }

  test('what is printed is read back as the same size', () => {
    fc.assert(
      fc.property(fc.nat(999_999_999), (bytes) => {
        assert.deepEqual(parseSize(formatSize(bytes)), { ok: true, value: bytes })
      }),
    )
  })
})
