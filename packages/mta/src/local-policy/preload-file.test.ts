import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { LocalPolicyEvent } from './events.ts'
import { PreloadFile } from './preload-file.ts'
import { preloadErrorText } from './read-preload-file.ts'

const DAY_MS = 86_400_000
const START = Date.UTC(2026, 9, 1)
let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hermetic-preload-'))
  path = join(directory, 'preload.list')
})
afterEach(() => rmSync(directory, { recursive: true }))

const json = (expires: number, mode = 'enforce'): string =>
  JSON.stringify({
    version: '0.1',
    expires: new Date(expires).toISOString(),
    policies: { 'a.example': { mode, mxs: ['mx.a.example'] } },
  })

function opened() {
  const clock = { now: START }
  const events: LocalPolicyEvent[] = []
  const file = PreloadFile.open({ path, now: () => clock.now, emit: (event) => void events.push(event) })
  return { file, clock, take: () => events.splice(0).map(({ event }) => event) }
}

test('the list is read again when its file changes, and not otherwise', () => {
  writeFileSync(path, 'a.example mx.a.example\n')
  const { file, take } = opened()
  assert.ok(file.ok)
  file.value.tell()
  file.value.look()
  assert.deepEqual(take(), ['preload-list-loaded'])
  writeFileSync(path, 'a.example mx.a.example\nb.example mx.b.example\n')
  file.value.look()
  assert.deepEqual(take(), ['preload-list-loaded'])
  assert.equal(file.value.list.entries.size, 2)
})

test('a list that became unusable, or is gone, is told once, and the last good one stays', () => {
  writeFileSync(path, 'a.example mx.a.example\n')
  const { file, take } = opened()
  assert.ok(file.ok)
  writeFileSync(path, 'a..example mx\n')
  file.value.look()
  file.value.look()
  assert.deepEqual(take(), ['preload-list-unusable'])
  for (const spoil of [() => writeFileSync(path, ''), () => rmSync(path)]) {
    spoil()
    file.value.look()
    file.value.look()
    assert.deepEqual(take(), ['preload-list-unusable'])
  }
  assert.equal(file.value.list.entries.size, 1)
})

test('its own end is told a week before and when it comes, and a newer list ends that', () => {
  writeFileSync(path, json(START + 30 * DAY_MS))
  const { file, clock, take } = opened()
  assert.ok(file.ok)
  file.value.tell()
  take()
  for (const [day, told] of [
    [22, []],
    [23, ['preload-list-expiring']],
    [24, []],
    [30, ['preload-list-expired']],
    [31, []],
  ] as const) {
    clock.now = START + day * DAY_MS
    file.value.look()
    assert.deepEqual(take(), told, `day ${day}`)
  }
  writeFileSync(path, json(START + 300 * DAY_MS))
  file.value.look()
  assert.deepEqual(take(), ['preload-list-loaded'])
})

for (const [rule, text, told] of [
  ['a line', 'a.example mx.a.example\nb.example\n', 'line 2: no hosts; write them behind the domain: "b.example"'],
  ['an entry', json(START, 'hard'), '"policies: a.example": not a mode; write "enforce" or "testing": "hard"'],
  ['more than one', 'a..b x\nc..d x\n', 'line 1: not a domain: "a..b", and 1 more'],
] as const) {
  test(`what is wrong is told with its place: ${rule}`, () => {
    writeFileSync(path, text)
    const { file } = opened()
    assert.equal(file.ok ? '' : preloadErrorText(file.error), told)
  })
}

test('a file that is not there, and one that is not text', () => {
  const absent = opened().file
  assert.equal(absent.ok ? '' : preloadErrorText(absent.error), 'cannot be read (no such file or directory)')
  writeFileSync(path, new Uint8Array([0xff, 0xfe]))
  const binary = opened().file
  assert.equal(binary.ok ? '' : preloadErrorText(binary.error), 'cannot be read (it is not UTF-8)')
})
