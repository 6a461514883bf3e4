import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { shellWord } from './shell-word.ts'

test('plain paths stay as they are', () => {
  assert.equal(shellWord('data/try/self-signed.pem'), 'data/try/self-signed.pem')
})

test('whatever the word is, a shell reads it back', () => {
  for (const word of ['my data/ü', "it's", '$HOME', '`id`', 'a"b', '', '~', 'a\nb', '*', '; ls'])
    assert.equal(execFileSync('/bin/sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' }), word)
})
