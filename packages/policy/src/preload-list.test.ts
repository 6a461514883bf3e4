import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { domain } from './decision.fixture.ts'
import { matchesMx, mxPatternText } from './mta-sts/mx-match.ts'
import type { PreloadList } from './preload.ts'
import { type PreloadProblem, parsePreloadList } from './preload-list.ts'

function listOf(text: string): PreloadList {
  const parsed = parsePreloadList(text)
  assert(parsed.ok, JSON.stringify(parsed))
  return parsed.value
}

function problemsOf(text: string): readonly PreloadProblem[] {
  const parsed = parsePreloadList(text)
  return parsed.ok ? [] : parsed.error.problems
}

function shownOf(text: string): Readonly<Record<string, string>> {
  const entries = [...listOf(text).entries].map(([name, { mode, mx }]) => [
    name,
    [mode, ...mx.map(mxPatternText)].join(' '),
  ])
  return Object.fromEntries(entries)
}

describe('a list in lines', () => {
  test('a domain and its patterns, in enforce; comments and empty lines are nothing', () => {
    const text = '# ours\n\nexample.test  mx.example.test *.example.net # two\r\nEXAMPLE.org\tmx.example.org.\n'
    assert.deepEqual(shownOf(text), {
      'example.test': 'enforce mx.example.test *.example.net',
      'example.org': 'enforce mx.example.org',
    })
    assert.equal(listOf(text).expiresAt, undefined)
  })

  test('a domain in U-labels is the same as in A-labels', () => {
    assert.deepEqual(shownOf('bücher.example mx.example.test'), { 'xn--bcher-kva.example': 'enforce mx.example.test' })
  })

  test('an empty list is a list', () => assert.equal(listOf('# nobody yet\n').entries.size, 0))

  test('an empty file is none, for so looks one that is being written', () => {
    for (const text of ['', '\n \n']) assert.deepEqual(problemsOf(text), [{ at: 'list', kind: 'empty-file' }])
  })

  const bad: readonly (readonly [line: string, problem: Omit<PreloadProblem, 'at'>])[] = [
    ['not_a_domain mx.example.test', { kind: 'not-a-domain', text: 'not_a_domain' }],
    ['192.0.2.1 mx.example.test', { kind: 'not-a-domain', text: '192.0.2.1' }],
    ['example.org', { kind: 'no-patterns', text: 'example.org' }],
    ['example.org *', { kind: 'not-a-pattern', text: '*' }],
    ['example.org mx*.example.org', { kind: 'not-a-pattern', text: 'mx*.example.org' }],
    ['example.org .example.org', { kind: 'not-a-pattern', text: '.example.org' }],
    ['Example.test mx.example.org', { kind: 'domain-twice', text: 'example.test' }],
    [`example.org ${'mx.example.org '.repeat(101)}`, { kind: 'too-many-patterns', text: 'example.org' }],
  ]
  for (const [line, problem] of bad) {
    test(`${problem.kind}: ${line.slice(0, 40)}`, () => {
      assert.deepEqual(problemsOf(`example.test mx.example.test\n${line}\n`), [{ at: 2, ...problem }])
    })
  }

  test('all problems are told with their lines, and beyond twenty their number', () => {
    assert.deepEqual(
      problemsOf('a_b mx.example.test\nexample.org * x_y\n').map(({ at, kind }) => [at, kind]),
      [
        [1, 'not-a-domain'],
        [2, 'not-a-pattern'],
        [2, 'not-a-pattern'],
      ],
    )
    const parsed = parsePreloadList('a_b mx.example.test\n'.repeat(25))
    assert.equal(parsed.ok ? undefined : parsed.error.problems.length, 20)
    assert.equal(parsed.ok ? undefined : parsed.error.more, 5)
  })
})

const json = (policies: unknown, more: object = {}) =>
  JSON.stringify({
    ...{ version: '0.1', timestamp: '2026-10-01T00:00:00+00:00', expires: '2026-11-01T00:00:00+00:00' },
    ...{ author: 'nobody', 'policy-aliases': { hosted: { mode: 'enforce', mxs: ['.mail.example.net'] } } },
    policies,
    ...more,
  })

describe('a list in the JSON of STARTTLS Everywhere', () => {
  test('policies with their mode, names, suffixes and aliases, and when the list ends', () => {
    const text = json({
      'example.test': { mode: 'enforce', mxs: ['mx.example.test', '.example.net'] },
      'example.org': { mode: 'testing', mxs: ['mx.example.org'], 'mta-sts': true, report: ['mailto:a@example.org'] },
      'example.com': { 'policy-alias': 'hosted' },
    })
    assert.deepEqual(shownOf(text), {
      'example.test': 'enforce mx.example.test .example.net',
      'example.org': 'testing mx.example.org',
      'example.com': 'enforce .mail.example.net',
    })
    assert.equal(listOf(text).expiresAt, Date.UTC(2026, 10, 1))
    assert.equal(listOf(json({}, { expires: 1_790_000_000 })).expiresAt, 1_790_000_000_000)
  })

  test('a suffix means every name below it, at any depth, and not itself', () => {
    const mx = listOf(json({ 'example.test': { mode: 'enforce', mxs: ['.example.net'] } })).entries.get(
      domain('example.test'),
    )?.mx
    assert(mx !== undefined)
    for (const [host, meant] of [
      ['mx.example.net', true],
      ['a.b.example.net', true],
      ['example.net', false],
      ['mxexample.net', false],
    ] as const) {
      assert.equal(matchesMx(domain(host), mx) !== undefined, meant, host)
    }
  })

  const policy = { mode: 'enforce', mxs: ['mx.example.test'] }
  const at = 'policies: example.test'
  const bad: readonly (readonly [text: string, problem: PreloadProblem])[] = [
    [json({}, { version: '1.0' }), { at: 'version', kind: 'unknown-version', text: '1.0' }],
    [json({}, { expires: 'soon' }), { at: 'expires', kind: 'not-a-time', text: 'soon' }],
    [json({}, { expires: undefined }), { at: 'expires', kind: 'not-a-time', text: 'nothing' }],
    [json([]), { at: 'policies', kind: 'not-an-object', text: '[]' }],
    [json({ 'example.test': 'enforce' }), { at, kind: 'not-an-object', text: 'enforce' }],
    [json({ 'example.test': { ...policy, mode: 'enforced' } }), { at, kind: 'unknown-mode', text: 'enforced' }],
    [json({ 'example.test': { mxs: ['mx.example.test'] } }), { at, kind: 'unknown-mode', text: 'nothing' }],
    [json({ 'example.test': { mode: 'enforce' } }), { at, kind: 'no-patterns' }],
    [json({ 'example.test': { mode: 'enforce', mxs: [] } }), { at, kind: 'no-patterns' }],
    [json({ 'example.test': { ...policy, mxs: ['mx', 7] } }), { at, kind: 'not-a-pattern', text: '7' }],
    [
      json({ 'example.test': { ...policy, mxs: ['.*.example.net'] } }),
      { at, kind: 'not-a-pattern', text: '.*.example.net' },
    ],
    [json({ 'example.test': { ...policy, pin: 'eff' } }), { at, kind: 'unknown-field', text: 'pin' }],
    [json({ 'example.test': { 'policy-alias': 'gone' } }), { at, kind: 'unknown-alias', text: 'gone' }],
    [json({ 'example.test': { 'policy-alias': 'toString' } }), { at, kind: 'unknown-alias', text: 'toString' }],
    [json({ a_b: policy }), { at: 'policies: a_b', kind: 'not-a-domain', text: 'a_b' }],
    [
      json({ 'example.test': policy, 'EXAMPLE.test': policy }),
      { at: 'policies: EXAMPLE.test', kind: 'domain-twice', text: 'example.test' },
    ],
  ]
  for (const [text, problem] of bad) {
    test(`${problem.kind} at ${problem.at}: ${problem.text ?? 'none'}`, () =>
      assert.deepEqual(problemsOf(text), [problem]))
  }

  test('what is no JSON is told so, once', () => {
    const problems = problemsOf('{ "version": ')
    assert.deepEqual(
      problems.map(({ at, kind }) => [at, kind]),
      [['list', 'not-json']],
    )
  })
})

test('no text makes the reader throw, and what it takes has a pattern for each domain', () => {
  const json = fc.json({ maxDepth: 4 }).map((text) => `{"version":"0.1","expires":1,"policies":${text}}`)
  fc.assert(
    fc.property(fc.oneof(fc.string(), json), (text) => {
      const parsed = parsePreloadList(text)
      if (parsed.ok) for (const { mx } of parsed.value.entries.values()) assert(mx.length > 0)
      else assert(parsed.error.problems.length > 0)
    }),
  )
})
