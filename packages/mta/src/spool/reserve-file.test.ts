import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ReserveFile } from './reserve-file.ts'

const MIB = 1024 * 1024

test('the reserve is real bytes, made only while there is room for far more, and given back at once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'reserve-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'reserve')
  const reserve = new ReserveFile(path, 2.5 * MIB)
  assert.equal(await reserve.ensure(3 * MIB), false)
  assert.equal(await reserve.ensure(undefined), false)
  assert.equal(existsSync(path), false)

  assert.equal(await reserve.ensure(100 * MIB), true)
  const { size, blocks, mode } = statSync(path)
  assert.deepEqual([size, mode & 0o777], [2.5 * MIB, 0o600])
  assert.ok(blocks * 512 >= size, 'a sparse file would keep no room')
  assert.equal(await reserve.ensure(100 * MIB), false)

  assert.equal(await reserve.release(), true)
  assert.equal(existsSync(path), false)
  assert.equal(await reserve.release(), false)
  assert.equal(await reserve.ensure(100 * MIB), true)

  const later = new ReserveFile(path, 2.5 * MIB)
  assert.equal(await later.ensure(100 * MIB), false, 'one that an earlier run made is taken as it is')
  assert.equal(await later.release(), true)
})
