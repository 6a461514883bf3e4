import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeSystemError } from './system-error.ts'

for (const code of ['EPIPE', 'ECONNRESET']) {
  test(`${code} is told in words`, () => {
    const error = Object.assign(new Error(`write ${code}`), { code, syscall: 'write' })
    assert.equal(describeSystemError(error), 'the other side closed the connection')
  })
}
