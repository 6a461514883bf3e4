import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DomainName, labels, parseDomainName } from '../domain-name.ts'
import { type MxPattern, matchesMx, mxPatternText, parseMxPattern } from './mx-match.ts'

function host(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok, text)
  return name.value
}

function patterns(...texts: readonly string[]): readonly MxPattern[] {
  return texts.map((text) => {
    const pattern = parseMxPattern(text)
    assert.ok(pattern !== undefined, text)
    return pattern
  })
}

function matched(mxHostname: string, ...texts: readonly string[]): string | undefined {
  const pattern = matchesMx(host(mxHostname), patterns(...texts))
  return pattern && mxPatternText(pattern)
}

test('STS-84: the asterisk stands for exactly one whole left-most label', () => {
  covers('STS-84', { observe: 'pure' })
  assert.equal(matched('mail.example.com', '*.example.com'), '*.example.com')
  for (const other of ['example.com', 'foo.bar.example.com', 'mail.example.net', 'mailexample.com', 'com']) {
    assert.equal(matched(other, '*.example.com'), undefined, other)
  }
  assert.equal(matched('example', '*.example'), undefined)
  assert.equal(matched('mx.example', '*.example'), '*.example')
})

test('STS-85: letter case does not matter on either side', () => {
  covers('STS-85', { observe: 'pure' })
  assert.equal(matched('MAIL.Example.COM', 'mail.example.com'), 'mail.example.com')
  assert.equal(matched('mail.example.com', 'MAIL.eXAMPLE.com'), 'mail.example.com')
  assert.equal(matched('mail.example.com', '*.EXAMPLE.com'), '*.example.com')
})

test('the first matching pattern is the answer, and the name itself matches nothing else', () => {
  assert.equal(matched('mx.example.com', 'other.example.com', '*.example.com', 'mx.example.com'), '*.example.com')
  assert.equal(matched('mx.example.com', 'mx.example.co', 'mx.example.com.au', 'xmx.example.com'), undefined)
  assert.equal(matched('mx.example.com'), undefined)
})

test('STS-56: a pattern is a host name, or an asterisk as the whole left-most label', () => {
  covers('STS-56', { observe: 'pure' })
  for (const text of ['mail.example.com', '*.example.com', 'a', '*.a', 'xn--bcher-kva.example', '3com.example']) {
    assert.ok(parseMxPattern(text), text)
  }
  const malformed = ['', '*', '*.', '.', '*mail.example.com', 'a.*.example.com', '*.*.example.com', 'mx 1', ' a', 'a ']
  for (const text of [
    ...malformed,
    'a..b',
    '.a',
    'a..',
    '-a.b',
    'a-.b',
    'a_b.c',
    'bücher.example',
    '192.0.2.1',
    'a,b',
  ]) {
    assert.equal(parseMxPattern(text), undefined, JSON.stringify(text))
  }
})

test('one trailing dot is forgiven', () => {
  assert.equal(matched('mail.example.com', 'mail.example.com.'), 'mail.example.com')
  assert.equal(matched('mail.example.com', '*.example.com.'), '*.example.com')
})

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,3}[a-z0-9])?$/)
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((parts) => [...parts, 'test'].join('.'))

test('a wildcard matches by labels as the definition says, for all names', () => {
  fc.assert(
    fc.property(name, name, (mx, suffix) => {
      const expected = labels(host(mx)).slice(1).join('.') === suffix
      assert.equal(matched(mx, `*.${suffix}`) !== undefined, expected)
    }),
  )
  fc.assert(fc.property(label, name, (first, rest) => assert.ok(matched(`${first}.${rest}`, `*.${rest}`))))
})

test('any text is a pattern or is not, without an exception, and a pattern prints as it is read', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        name,
        name.map((text) => `*.${text}`),
      ),
      (text) => {
        const pattern = parseMxPattern(text)
        if (pattern !== undefined) assert.deepEqual(parseMxPattern(mxPatternText(pattern)), pattern)
      },
    ),
  )
})

const VECTORS = new URL('../../../../../shared/vectors/mx_match.json', import.meta.url)

interface Vector {
  readonly id: string
  readonly mx: string
  readonly patterns: readonly string[]
  readonly expected: boolean
}

/** Patterns with U-labels, which other programs convert: here they make the policy invalid. */
const U_LABELS = 'RFC 8461 §3.2: mx values are Domains of RFC 5321 §4.1.2, which are ASCII'
const DISAGREEMENTS: Readonly<Record<string, string>> = {
  'mxmatch-014': U_LABELS,
  'mxmatch-015': U_LABELS,
  'mxmatch-016': U_LABELS,
  'mxmatch-020': U_LABELS,
  'mxmatch-021': U_LABELS,
}

test('the matches of other implementations are ours, or the RFC decides', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases }: { cases: readonly Vector[] } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  assert.equal(cases.length, 32)
  const different = cases.flatMap(({ id, mx, patterns: texts, expected }) => {
    const wellFormed = texts.flatMap((text) => parseMxPattern(text) ?? [])
    // The resolver hands out names without the root's dot.
    return (matchesMx(host(mx.replace(/\.$/, '')), wellFormed) !== undefined) === expected ? [] : [id]
  })
  assert.deepEqual(different, Object.keys(DISAGREEMENTS))
})
