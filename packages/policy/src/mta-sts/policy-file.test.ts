import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { err, ok } from '../result.ts'
import { mxPatternText } from './mx-match.ts'
import {
  MAX_AGE_SECONDS,
  type PolicyFileError,
  parsePolicyFile,
  printPolicyFile,
  type StsPolicy,
} from './policy-file.ts'

const parse = (text: string) => parsePolicyFile(Buffer.from(text))

function policyOf(text: string): StsPolicy {
  const parsed = parse(text)
  assert.ok(parsed.ok, JSON.stringify(parsed))
  return parsed.value
}

function problem(text: string, kind: PolicyFileError['kind'], why = text): void {
  const parsed = parse(text)
  assert.equal(parsed.ok ? 'accepted' : parsed.error.kind, kind, why)
}

const read = (text: string) => {
  const { mode, mx, maxAgeSeconds } = policyOf(text)
  return { mode, mx: mx.map(mxPatternText), maxAgeSeconds }
}

const VALID = 'version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n'
const AS_READ = { mode: 'enforce', mx: ['mail.example.com', '*.example.net'], maxAgeSeconds: 604_800 }
const document = ({ mode = 'mode: enforce', mx = 'mx: a.test', maxAge = 'max_age: 60', version = 'version: STSv1' }) =>
  [version, mode, mx, maxAge].filter((line) => line !== '').join('\n')

describe('RFC 8461 §3.2: lines', () => {
  test('STS-46: LF, CRLF and a mixture read the same', () => {
    covers('STS-46', { observe: 'pure' })
    for (const text of [VALID, VALID.replaceAll('\n', '\r\n'), VALID.replace('\n', '\r\n')]) {
      assert.deepEqual(read(text), AS_READ)
      assert.deepEqual(policyOf(text).lines, VALID.trimEnd().split('\n'))
    }
  })

  test('STS-47: the last terminator is optional, and white space may stand before any', () => {
    covers('STS-47', { observe: 'pure' })
    assert.deepEqual(read(VALID.trimEnd()), AS_READ)
    assert.deepEqual(read(VALID.replaceAll('\n', ' \t \r\n')), AS_READ)
    assert.deepEqual(read(`${VALID.trimEnd()}\t `), AS_READ)
  })

  test('STS-48: the separator is a colon with any white space behind it and none before', () => {
    covers('STS-48', { observe: 'pure' })
    assert.deepEqual(read(VALID.replaceAll(': ', ':')), AS_READ)
    assert.deepEqual(read(VALID.replaceAll(': ', ':\t  \t')), AS_READ)
    problem(document({ mode: 'Mode: enforce' }), 'missing-field')
    problem(document({ mode: 'mode : enforce' }), 'malformed-line')
    problem(document({ mode: 'mode: enforce\nmode :none' }), 'malformed-line')
  })

  test('STS-61: empty lines at the end are forgiven; what a text must not have makes it invalid', () => {
    covers('STS-61', { observe: 'pure' })
    assert.deepEqual(read(`${VALID}\n\r\n\n`), AS_READ)
    problem(`\ufeff${VALID}`, 'byte-order-mark')
    problem(`${VALID}x: a\0b\n`, 'control-character')
    problem(`${VALID}x: a\rb\n`, 'control-character')
    problem(`${VALID}x: a\x1bb\n`, 'control-character')
    problem(`${VALID}x: a\x7fb\n`, 'control-character')
    problem(VALID.replace('\n', '\n\n'), 'malformed-line')
    problem(VALID.replace('\nmode', '\n mode'), 'malformed-line')
    problem(VALID.replace('mx:', '\tmx:'), 'malformed-line')
    problem(`${VALID}no colon\n`, 'malformed-line')
    problem(`${VALID}:\n`, 'malformed-line')
    for (const bytes of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
      const spoiled = Buffer.concat([Buffer.from(`${VALID}x: `), Buffer.from(bytes)])
      assert.deepEqual(parsePolicyFile(spoiled), err({ kind: 'not-utf8' }))
    }
  })

  test('the number of the faulty line is told', () => {
    assert.deepEqual(parse('version: STSv1\r\nmode\r\n'), err({ kind: 'malformed-line', line: 2 }))
    assert.deepEqual(parse('version: STSv1\nmode: none\nx: \0'), err({ kind: 'control-character', line: 3 }))
  })
})

describe('RFC 8461 §3.2: fields', () => {
  test('STS-49: the version is required, exact, and may stand anywhere', () => {
    covers('STS-49', { observe: 'pure' })
    assert.deepEqual(read(`mode: none\nmax_age: 1\nversion: STSv1`), { mode: 'none', mx: [], maxAgeSeconds: 1 })
    problem(document({ version: '' }), 'missing-field')
    for (const version of ['STSv2', 'stsv1', 'STSv10', 'STSv1;', '']) {
      problem(document({ version: `version: ${version}` }), 'invalid-version')
    }
  })

  test('STS-50: the mode is required, and exactly one of three words', () => {
    covers('STS-50', { observe: 'pure' })
    for (const mode of ['enforce', 'testing', 'none'] as const) {
      assert.equal(policyOf(document({ mode: `mode: ${mode}` })).mode, mode)
    }
    problem(document({ mode: '' }), 'missing-field')
    for (const mode of ['report', 'Enforce', 'enforced', 'enforce testing', 'enforce;', '"enforce"', '']) {
      problem(document({ mode: `mode: ${mode}` }), 'invalid-mode')
    }
  })

  test('STS-51: max_age is required and has 1 to 10 digits', () => {
    covers('STS-51', { observe: 'pure' })
    for (const [text, seconds] of [
      ['0', 0],
      ['1', 1],
      ['0000086400', 86_400],
    ] as const) {
      assert.equal(policyOf(document({ maxAge: `max_age: ${text}` })).maxAgeSeconds, seconds)
    }
    problem(document({ maxAge: '' }), 'missing-field')
    for (const text of ['', '-1', '+1', '1d', '1.5', '1e3', '0x10', '00000086400', '1 2', '１']) {
      problem(document({ maxAge: `max_age: ${text}` }), 'invalid-max-age')
    }
  })

  test('STS-52 STS-53: a longer max_age is cut to a year, not refused and not overflowing', () => {
    covers(['STS-52', 'STS-53'], { observe: 'pure' })
    for (const text of ['31557600', '31557601', '2147483648', '4294967296', '9999999999']) {
      const policy = policyOf(document({ maxAge: `max_age: ${text}` }))
      assert.equal(policy.maxAgeSeconds, MAX_AGE_SECONDS)
      assert.equal(policy.lines.at(-1), `max_age: ${text}`)
      assert.equal(policy.mode, 'enforce')
    }
    assert.equal(MAX_AGE_SECONDS, 31_557_600)
  })

  test('STS-55: without mx only a `none` is valid, and all mx lines count', () => {
    covers('STS-55', { observe: 'pure' })
    problem(document({ mx: '' }), 'missing-field')
    problem(document({ mx: '', mode: 'mode: testing' }), 'missing-field')
    assert.deepEqual(policyOf(document({ mx: '', mode: 'mode: none' })).mx, [])
    assert.deepEqual(read(document({ mx: 'mx: a.test\nmx: *.b.test\nmx: c.test' })).mx, [
      'a.test',
      '*.b.test',
      'c.test',
    ])
  })

  test('STS-57: a malformed mx makes the whole policy invalid; one trailing dot does not', () => {
    covers('STS-57', { observe: 'pure' })
    for (const mx of [
      'foo_bar.example.com',
      '*',
      '*.',
      'a.*.test',
      '*a.test',
      'mx 1',
      '192.0.2.1',
      '[192.0.2.1]',
      '',
    ]) {
      problem(document({ mx: `mx: good.test\nmx: ${mx}` }), 'invalid-mx', mx)
    }
    problem(document({ mx: 'mx: _.test', mode: 'mode: none' }), 'invalid-mx')
    assert.deepEqual(read(document({ mx: 'mx: Mail.Example.COM.' })).mx, ['mail.example.com'])
  })

  test('STS-58: names are A-labels; a U-label is malformed, not translated', () => {
    covers('STS-58', { observe: 'pure' })
    problem(document({ mx: 'mx: bücher.example' }), 'invalid-mx')
    assert.deepEqual(read(document({ mx: 'mx: xn--bcher-kva.example' })).mx, ['xn--bcher-kva.example'])
  })

  test('STS-59: unknown fields are ignored, with UTF-8 in their values', () => {
    covers('STS-59', { observe: 'pure' })
    for (const line of [
      'x-note: grüße',
      'x:y',
      'a.b_c-1: 1: 2 : 3',
      'MX: not a pattern',
      'note: \u{1f4e7} \u{1f4e8}',
    ]) {
      assert.deepEqual(read(`${line}\n${VALID}${line}\n`), AS_READ)
    }
    for (const line of ['x:', 'x: \t', 'x: a\tb', '-x: a', 'ü: a', `${'n'.repeat(33)}: a`, 'a b: c']) {
      problem(`${VALID}${line}\n`, 'malformed-line', line)
    }
  })

  test('STS-60: of repeated fields other than mx the first counts, whatever the later ones hold', () => {
    covers('STS-60', { observe: 'pure' })
    const twice = 'mode: testing\nmode: bogus\nmode: none\nmode:'
    assert.equal(policyOf(document({ mode: twice })).mode, 'testing')
    assert.equal(policyOf(document({ maxAge: 'max_age: 86400\nmax_age: x' })).maxAgeSeconds, 86_400)
    assert.ok(parse(document({ version: 'version: STSv1\nversion: STSv2' })).ok)
    problem(document({ mode: 'mode: bogus\nmode: enforce' }), 'invalid-mode')
  })
})

const white = fc.stringMatching(/^[ \t]{0,3}$/)
const pattern = fc.stringMatching(/^(\*\.)?[a-z0-9]{1,8}(\.[a-zA-Z0-9]{1,5}){0,2}\.test\.?$/)
const extension = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,8}:[ \t]{0,2}[!-~ü€]{1,9}( [!-~]{1,4})?$/)
const valid = fc
  .record({
    mode: fc.constantFrom('enforce', 'testing', 'none'),
    mx: fc.array(pattern, { minLength: 1, maxLength: 4 }),
    maxAge: fc.stringMatching(/^[0-9]{1,10}$/),
    extensions: fc.array(
      extension.filter((line) => !/^(?:version|mode|mx|max_age):/.test(line)),
      { maxLength: 3 },
    ),
    white: fc.array(white, { minLength: 4, maxLength: 4 }),
    end: fc.constantFrom('\n', '\r\n'),
    seed: fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
  })
  .map(({ mode, mx, maxAge, extensions, white: [a, b, c, d] = [], end, seed }) => {
    const fields = [`version:${a}STSv1${b}`, `mode:${c}${mode}`, `max_age:${d}${maxAge}`]
    const lines = [...fields, ...mx.map((name) => `mx: ${name}`), ...extensions]
    return lines
      .map((line, index) => ({ line, order: seed[index] ?? 0 }))
      .sort((one, other) => one.order - other.order)
      .map(({ line }) => line + end)
      .join('')
  })

test('what is printed is read back as the same policy, and printed the same again', () => {
  fc.assert(
    fc.property(valid, (text) => {
      const policy = policyOf(text)
      assert.deepEqual(parse(printPolicyFile(policy)), ok(policy))
      assert.equal(printPolicyFile(policy), text.replaceAll('\r\n', '\n'))
    }),
  )
})

test('any bytes are read without an exception, and what is accepted keeps the rules', () => {
  const spoiled = fc.tuple(valid, fc.nat(), fc.uint8Array({ maxLength: 3 })).map(([text, at, bytes]) => {
    const whole = Buffer.from(text)
    const cut = at % (whole.length + 1)
    return Buffer.concat([whole.subarray(0, cut), bytes, whole.subarray(cut)])
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), spoiled), (bytes) => {
      const parsed = parsePolicyFile(bytes)
      if (!parsed.ok) return
      const { mode, mx, maxAgeSeconds } = parsed.value
      assert.ok(mode === 'none' || mx.length > 0)
      assert.ok(maxAgeSeconds >= 0 && maxAgeSeconds <= MAX_AGE_SECONDS)
    }),
  )
})

test('the largest document that is fetched is read in no time, whatever it repeats', () => {
  for (const unit of [' ', '\t', '\n', '\r', '\r\n', ':', 'a', 'mx: a.test\n', 'mx: a-.', 'a: b \t']) {
    const began = performance.now()
    parse(VALID + unit.repeat(65_000 / unit.length))
    parse(`${VALID}x:${unit.repeat(65_000 / unit.length)}y`)
    assert.ok(performance.now() - began < 500, JSON.stringify(unit))
  }
})

const VECTORS = new URL('../../../../../shared/vectors/mtasts_policy.json', import.meta.url)

interface Vector {
  readonly id: string
  readonly kind: 'body' | 'fetch'
  readonly body?: string
  readonly expected: boolean | string
  readonly verdicts: Readonly<Record<string, { readonly mode?: string; readonly mx?: readonly string[] }>>
}

/** Where the source and we part, and what decides. */
const DISAGREEMENTS: Readonly<Record<string, string>> = {
  'stspol-080': 'RFC 8461 §3.2: ten digits are valid; erratum 7282, our decision D-2: cut to the maximum',
  'stspol-088': 'RFC 8461 §3.2: as before',
  'stspol-090': 'RFC 8461 §3.2: of a repeated field the first counts',
  'stspol-095': 'RFC 8461 §3.2: unknown fields are ignored',
  'stspol-096': 'RFC 8461 §3.2: mx values are Domains of RFC 5321 §4.1.2, which are ASCII',
}

test('the documents of other implementations are read as they read them, or the RFC decides', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases }: { cases: readonly Vector[] } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  const bodies = cases.filter(({ kind }) => kind === 'body')
  assert.equal(bodies.length, 99)
  const different = bodies.flatMap(({ id, body = '', expected, verdicts }) => {
    const parsed = parse(body)
    if (parsed.ok !== expected) return [id]
    if (!parsed.ok) return []
    const { mode, mx } = parsed.value
    const same = Object.values(verdicts).every(
      (theirs) =>
        (theirs.mode === undefined || theirs.mode === mode) &&
        (theirs.mx === undefined || theirs.mx.join() === mx.map(mxPatternText).join()),
    )
    return same ? [] : [id]
  })
  assert.deepEqual(different, Object.keys(DISAGREEMENTS))
})
