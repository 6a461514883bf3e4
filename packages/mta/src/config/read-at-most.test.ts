import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import { readAtMost } from './read-at-most.ts'

test('a file is read to its end, or to the octet that says there is too much', () => {
  const directory = mkdtempSync(join(tmpdir(), 'read-at-most-'))
  const file = join(directory, 'file')
  try {
    for (const [content, seen] of [
      ['', ''],
      ['abc', 'abc'],
      ['abcd', 'abcd'],
      ['abcde', 'abcd'],
    ] as const) {
      writeFileSync(file, content)
      assert.equal(readAtMost(file, 4).toString(), seen)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a configuration that never ends is too large', () => {
  const loaded = loadConfig({ file: '/dev/zero', env: {} })
  assert.ok(!loaded.ok)
  assert.match(loaded.error.map(formatProblem).join('\n'), /^\/dev\/zero: cannot be read \(it is too large\)/)
})

test('nor is such a file a certificate or a list of domains', () => {
  const env = { HERMETIC_TRUST__CA_FILE: '/dev/zero', HERMETIC_MTA_STS__PRELOAD_FILE: '/dev/zero' }
  const loaded = loadConfig({ env })
  assert.ok(!loaded.ok)
  const told = loaded.error.map(formatProblem).join('\n')
  assert.match(told, /is larger than any PEM file: \/dev\/zero/)
  assert.match(told, /PRELOAD_FILE: .*\(it is too large\)/)
})
