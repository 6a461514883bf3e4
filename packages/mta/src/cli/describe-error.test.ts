import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { describeError } from './describe-error.ts'

test('an error of a socket in the file system names its path', async () => {
  const path = join(tmpdir(), 'hermetic-nobody', 'admin.sock')
  const [error] = await once(connect(path), 'connect').then(
    () => [undefined],
    (reason: unknown) => [reason],
  )
  assert.deepEqual(describeError(error), { text: `${path}: no such file or directory`, defect: false })
  const denied = Object.assign(new Error('denied'), { code: 'EACCES', syscall: 'connect', address: path })
  assert.match(describeError(denied).text, new RegExp(`^${path}: permission denied; run as the user that owns it`))
})
