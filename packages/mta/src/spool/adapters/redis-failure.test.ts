import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redisFailure } from './redis-failure.ts'

function reply(message: string): Error {
  const error = new Error(message)
  error.name = 'ReplyError'
  return error
}

test('a full server refused the operation and is well otherwise', () => {
  const failure = redisFailure(reply("OOM command not allowed when used memory > 'maxmemory'."))
  assert.deepEqual([failure.scope, failure.full, failure.outcomeUnknown], ['operation', true, false])
})

test('a server that cannot now has done nothing, and the store fails', () => {
  for (const code of ['LOADING', 'MISCONF', 'BUSY', 'NOREPLICAS']) {
    const failure = redisFailure(reply(`${code} whatever it says`))
    assert.deepEqual([failure.scope, failure.outcomeUnknown, failure.reconnect], ['store', false, false], code)
  }
})

test('a server that is not the one that writes is left for another connection', () => {
  for (const code of ['READONLY', 'MASTERDOWN', 'MOVED', 'CLUSTERDOWN', 'NOAUTH', 'NOPERM']) {
    const failure = redisFailure(reply(`${code} whatever it says`))
    assert.deepEqual([failure.scope, failure.outcomeUnknown, failure.reconnect], ['store', false, true], code)
  }
})

test('a script that failed may have run half: this operation alone is in doubt', () => {
  const failure = redisFailure(reply('ERR user_script:1: Script attempted something'))
  assert.deepEqual([failure.scope, failure.outcomeUnknown], ['operation', true])
})

test('anything that is not an answer of the server leaves the outcome unknown, whatever its words', () => {
  for (const error of [new Error('OOM'), new Error('Connection is closed.'), 'READONLY']) {
    const failure = redisFailure(error)
    assert.deepEqual([failure.scope, failure.full, failure.outcomeUnknown], ['store', false, true])
  }
})
