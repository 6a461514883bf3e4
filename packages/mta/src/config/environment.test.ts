import assert from 'node:assert/strict'
import { test } from 'node:test'
import { err } from '@hermetic/policy'
import fc from 'fast-check'
import { namesOf } from './config-path.ts'
import { readEnvironment, variableName } from './environment.ts'
import { outline } from './outline.ts'

const noFiles = () => err('no files here')

test('every setting has a variable that sets it, and no two share one', () => {
  const settings = outline.filter((entry) => entry.kind === 'setting')
  assert.ok(settings.length > 40)
  assert.equal(new Set(settings.map(({ names }) => variableName(names))).size, settings.length)
  for (const { names, entry } of settings) {
    const text = { string: 'x', integer: '5', boolean: 'true', array: 'a, b' }[entry.toml]
    const { settings: read, problems } = readEnvironment({ [variableName(names)]: text }, noFiles)
    assert.deepEqual(problems, [])
    assert.deepEqual(
      read.map(({ path }) => namesOf(path)),
      [names],
    )
  }
})

test('whatever the environment holds, reading it never throws', () => {
  const step = fc.constantFrom(
    'LISTENER',
    'QUEUE',
    '0',
    '7',
    'PORT',
    '__PROTO__',
    'CONSTRUCTOR',
    'MAX_BYTES',
    'FILE',
    '',
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 5 }), fc.string(), (steps, text) => {
      const { settings, problems } = readEnvironment({ [`HERMETIC_${steps.join('__')}`]: text }, noFiles)
      assert.equal(settings.length + problems.length, 1)
    }),
  )
})
