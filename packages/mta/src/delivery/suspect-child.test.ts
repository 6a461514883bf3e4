/** The child of a suspect as a process of its own: how it ends when there is nobody left to work for. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'

test('a child whose parent is gone before it could say a word ends without one', async () => {
  const child = fork(new URL('./suspect-child.ts', import.meta.url), [], { execArgv: [], silent: true })
  assert.ok(child.stderr !== null)
  const [printed, [code, killedBy]] = await Promise.all([text(child.stderr), once(child, 'exit'), child.disconnect()])
  assert.deepEqual({ printed, code, killedBy }, { printed: '', code: 0, killedBy: null })
})
