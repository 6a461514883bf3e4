import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAge, formatBytes, formatTable } from './table.ts'

test('columns are as wide as their longest cell; numbers stand right', () => {
  const columns = [{ title: 'N', align: 'right' }, { title: 'NAME' }] as const
  assert.equal(
    formatTable(
      columns,
      [
        ['5', 'a'],
        ['100', 'Ünïcödé'],
      ],
      undefined,
    ),
    '  N  NAME\n  5  a\n100  Ünïcödé\n',
  )
})

test('the last column is cut at the edge of the terminal', () => {
  const text = formatTable([{ title: 'ID' }, { title: 'PROBLEM' }], [['1', 'x'.repeat(100)]], 40)
  assert.ok(text.split('\n').every((line) => line.length <= 40))
  assert.ok(text.includes('…'))
})

test('foreign text cannot move the cursor or make lines', () => {
  assert.equal(formatTable([{ title: 'A' }], [['x\u001b[2J\ny']], undefined), 'A\nx?[2J?y\n')
})

for (const [ms, text] of [
  [-5, '0s'],
  [999, '0s'],
  [45_000, '45s'],
  [12 * 60_000, '12m'],
  [200 * 60_000, '3h 20m'],
  [3_600_000, '1h'],
  [52 * 3_600_000, '2d 4h'],
] as const) {
  test(`${ms} ms are ${text}`, () => assert.equal(formatAge(ms), text))
}

for (const [bytes, text] of [
  [0, '0 B'],
  [1023, '1023 B'],
  [5_000, '4.9 KiB'],
  [12 * 1024 ** 2, '12 MiB'],
  [5_000 * 1024 ** 3, '5000 GiB'],
] as const) {
  test(`${bytes} bytes are ${text}`, () => assert.equal(formatBytes(bytes), text))
}
