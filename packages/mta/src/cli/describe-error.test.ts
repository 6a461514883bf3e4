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
  const { text } = describeError(denied)
  assert.equal(text, `${path}: permission denied; run as the user that owns it, or change its mode`)
})

test('a port that needs a right has no owner and no mode', () => {
  const where = { code: 'EACCES', syscall: 'listen', address: '127.0.0.1', port: 25 }
  const { text } = describeError(Object.assign(new Error('denied'), where))
  assert.match(text, /^127\.0\.0\.1 port 25: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE/)
})
