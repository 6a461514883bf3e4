import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readSource, repositoryFiles, typescriptFiles } from './sources.ts'
import { anyTypes, consoleUse, leftovers, machineNames, rfcReferences, skippedTests } from './wording.ts'

/** The tests of these very rules hold what the rules look for. */
const FILES = typescriptFiles().filter(({ path }) => path !== 'test/tidy/wording.test.ts')
const TEXTS = repositoryFiles()
  .filter((path) => /\.(?:ts|md|json|ya?ml|toml|sh)$|(?:^|\/)[^.]+$/.test(path) && path !== 'test/tidy/wording.test.ts')
  .map(readSource)

describe('what stands in the text', () => {
  test('no test is singled out, and none is skipped without a reason', () => {
    assert.deepEqual(FILES.flatMap(skippedTests), [])
  })

  test('nothing is typed any', () => {
    assert.deepEqual(FILES.flatMap(anyTypes), [])
  })

  test('only the command line, tools and tests print', () => {
    assert.deepEqual(FILES.flatMap(consoleUse), [])
  })

  test('nothing is left for later in the text', () => {
    assert.deepEqual(TEXTS.flatMap(leftovers), [])
  })

  test('RFCs are cited in one form, RFC 8461 §3.3', () => {
    assert.deepEqual(TEXTS.filter(({ path }) => /\.(?:ts|md)$/.test(path)).flatMap(rfcReferences), [])
  })

  test('no file names a machine or a registry', () => {
    assert.deepEqual(TEXTS.flatMap(machineNames), [])
    assert.ok(!repositoryFiles().some((path) => /(?:^|\/)\.npmrc$/.test(path)), 'no .npmrc is tracked')
  })
})

describe('the rules about wording', () => {
  const check = (rule: typeof anyTypes, text: string) => rule({ path: 'packages/mta/src/a.ts', text }).length

  for (const [rule, caught, spared] of [
    [
      skippedTests,
      ['test.only(', 'it.skip(', 't.skip()', 'test({ todo: true })'],
      ["t.skip('no IPv6 here')", '// test.only('],
    ],
    [anyTypes, ['let a: any', 'f<any>()', 'x as any', 'Map<string, any>'], ['Promise.any([a])', "'as any'", 'any(x)']],
    [consoleUse, ['console.log(1)'], ["'console.log'", 'this.console.x']],
    [
      rfcReferences,
      ['// RFC8461', '// rfc 8461', '// RFC 8461 section 3', '// RFC 5321 s4.5'],
      ['// RFC 8461 §3.3', "'message/rfc822'", '// https://x/rfc8461'],
    ],
    [
      machineNames,
      ['/home/me/x', "'/srv/tree'", 'https://registry.example.org/x'],
      ['packages/srv/x', './home/x', 'https://example.org/'],
    ],
  ] as const) {
    test(`${rule.name} catches what it names and spares the rest`, () => {
      for (const text of caught) assert.equal(check(rule, text), 1, text)
      for (const text of spared) assert.equal(check(rule, text), 0, text)
    })
  }

  test('leftovers are found in comments', () => {
    assert.equal(check(leftovers, `// ${'TO'}DO: later`), 1)
    assert.equal(check(leftovers, '// to do or not'), 0)
  })
})
