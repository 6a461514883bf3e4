import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { blank } from './code-text.ts'
import { fileSize, functionLength, headerComment, isMeasured, names, wordsOf } from './layout.ts'
import { typescriptFiles } from './sources.ts'

const FILES = typescriptFiles()

describe('the shape of files', () => {
  test('no file is longer than 400 lines', () => {
    assert.deepEqual(
      FILES.filter(({ path }) => !/\.(?:test|contract)\.ts$/.test(path)).flatMap((file) => fileSize(file)),
      [],
    )
  })

  test('no function is longer than a screen', () => {
    assert.deepEqual(FILES.filter(isMeasured).flatMap(functionLength), [])
  })

  test('names of files and exports say what a thing is', () => {
    assert.deepEqual(FILES.flatMap(names), [])
  })

  test('every file begins with what it knows', () => {
    assert.deepEqual(FILES.flatMap(headerComment), [])
  })
})

describe('the rules about shape catch', () => {
  const path = 'packages/mta/src/a/b.ts'

  test('a file over the limit, a ratchet that is exceeded, and one that is no longer needed', () => {
    assert.equal(fileSize({ path, text: 'x\n'.repeat(401) }).length, 1)
    assert.equal(fileSize({ path, text: 'x\n'.repeat(501) }, { [path]: 500 }).length, 1)
    assert.equal(fileSize({ path, text: 'x\n'.repeat(450) }, { [path]: 500 }).length, 0)
    assert.match(fileSize({ path, text: 'x\n'.repeat(100) }, { [path]: 500 }).join(), /off the ratchet/)
  })

  for (const [what, head, foot] of [
    ['a function', 'export async function f(a: number): Promise<void> {', '}'],
    ['a method', '  async #take(turn: Turn): Promise<void> {', '  }'],
    ['an arrow function', 'const f = (a: number): void => {', '}'],
    ['a callback', '  return new Promise((resolve) => {', '  })'],
    ['a function with its parameters on lines of their own', 'function f(\n  a: number,\n): void {', '}'],
  ] as const) {
    test(`${what} of 61 lines, and not one of 60`, () => {
      const margin = ' '.repeat(8)
      const body = (lines: number) => `${head}\n${`${margin}step()\n`.repeat(lines)}${foot}\n`
      assert.equal(functionLength({ path, text: body(61) }).length, 1)
      assert.deepEqual(functionLength({ path, text: body(60) }), [])
    })
  }

  test('a long list of tests or cases is not a function', () => {
    const text = `describe('x', () => {\n${'  test()\n'.repeat(100)}})\nconst table = {\n${'  a: 1,\n'.repeat(100)}}\n`
    assert.deepEqual(functionLength({ path, text }), [])
  })

  test('empty words in names of files and exports, but not inside other words', () => {
    assert.equal(names({ path: 'packages/mta/src/smtp/dns-utils.ts', text: '' }).length, 1)
    assert.equal(names({ path, text: 'export class QueueManager {}\n' }).length, 1)
    assert.equal(names({ path, text: 'export const INFO_LINES = 1\n' }).length, 1)
    assert.deepEqual(names({ path, text: 'export function informationOf() {}\n// export class XHelper\n' }), [])
    assert.deepEqual(wordsOf('DNSAnswerOf-two_words'), ['dns', 'answer', 'of', 'two', 'words'])
  })

  test('a missing header comment', () => {
    assert.equal(headerComment({ path, text: "import x from 'y'\n" }).length, 1)
    assert.deepEqual(headerComment({ path, text: '#!/usr/bin/env node\n/**\n * Starts.\n */\n' }), [])
  })

  test('blanking keeps every character in its place and spares code', () => {
    const hole = '$' + '{'
    const text = `const a = 'it''s' // {\nconst r = /[/'"]/g; const t = \`x ${hole}f(\`}\`)} {\` /* \` */ + 4 / 2 / 1\n`
    const { code, withStrings } = blank(text)
    assert.equal(code.length, text.length)
    assert.equal(withStrings.length, text.length)
    assert.match(code, /const t = ` {2}\$\{f\(` `\)\} {2}` +\+ 4 \/ 2 \/ 1\n$/)
    assert.ok(!code.includes('// {') && !withStrings.includes('// {') && withStrings.includes("'it'"))
  })
})
