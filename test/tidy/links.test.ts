import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { anchorsOf, brokenLinks, missingPages, type Tree } from './links.ts'
import { readSource, repositoryFiles } from './sources.ts'

const paths = new Set(repositoryFiles().flatMap(withFolders))
const tree: Tree = {
  has: (path) => paths.has(path.replace(/\/$/, '')),
  page: (path) => (path.endsWith('.md') ? readSource(path).text : undefined),
}

function withFolders(path: string): readonly string[] {
  const parts = path.split('/')
  return ['.', ...parts.map((_, at) => parts.slice(0, at + 1).join('/'))]
}

describe('links', () => {
  test('every link of a page leads to a file that is there, and to a heading in it', () => {
    const pages = repositoryFiles().filter((path) => path.endsWith('.md'))
    assert.ok(pages.length > 50)
    assert.deepEqual(
      pages.map(readSource).flatMap((page) => brokenLinks(page, tree)),
      [],
    )
  })

  test('the README leads to every page for operators', () => {
    const { text } = readSource('README.md')
    const next = text.slice(text.indexOf('## Where next'))
    const pages = repositoryFiles().filter((path) => /^docs\/operating\/.*\.md$/.test(path))
    assert.ok(pages.length > 30)
    assert.deepEqual(
      pages.filter((path) => !next.includes(`](${path})`)),
      [],
    )
  })

  test('every page that a text names by its path is there', () => {
    const texts = repositoryFiles().filter((path) => /\.(?:ts|md|toml|ya?ml|sh|service)$/.test(path))
    const named = texts.filter((path) => path !== 'test/tidy/links.test.ts').map(readSource)
    assert.deepEqual(
      named.flatMap((text) => missingPages(text, tree)),
      [],
    )
  })
})

describe('the rules about links', () => {
  const other: Tree = {
    has: (path) => path === 'docs/b.md' || path === 'docs/a.md',
    page: (path) => (path === 'docs/b.md' ? '# One\n## Two `words`, here\n## One\n```\n# Not\n```\n' : '# Top\n'),
  }
  const broken = (text: string): number => brokenLinks({ path: 'docs/a.md', text }, other).length

  for (const [text, faults] of [
    ['[b](b.md), [b](../docs/b.md) and [b](b.md "with a title")', 0],
    ['[b](c.md)', 1],
    ['[b](../../b.md)', 1],
    ['[b](b.md#one), [b](b.md#two-words-here), [b](b.md#one-1), [a](#top)', 0],
    ['[b](b.md#not), [a](#one)', 2],
    ['[b]\n\n[b]: c.md', 1],
    ['![a picture](c.png)', 1],
    ['[b](https://example.com/c.md), <mailto:a@example.com>', 0],
    ['`[b](c.md)`\n\n```\n[b](c.md)\n```\n', 0],
  ] as const) {
    test(`${JSON.stringify(text)}: ${faults}`, () => assert.equal(broken(text), faults))
  }

  test('pages that are named count from the root, and only those', () => {
    const named = (text: string) => missingPages({ path: 'packages/x.ts', text }, other)
    assert.deepEqual(named("'see docs/b.md', '/usr/docs/c.md', 'docs/*.md'"), [])
    assert.deepEqual(named('// docs/c.md, docs/c.md'), ['packages/x.ts: docs/c.md is not there'])
  })

  test('headings are told apart as viewers do', () => {
    assert.deepEqual([...anchorsOf('# A\n\n# A #\n\n## `b`: [c](d.md)!\n')], ['a', 'a-1', 'b-c'])
  })
})
