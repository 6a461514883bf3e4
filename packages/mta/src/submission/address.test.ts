import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { err } from '@hermetic/policy'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { type AddressProblem, formatLocalPart, parseMailbox, parsePath } from './address.ts'

const ascii = { utf8: false }
const utf8 = { utf8: true }

function accepted(path: string, options: { readonly utf8: boolean } = ascii): string {
  const parsed = parsePath(path, options)
  assert(parsed.ok, `${path}: ${parsed.ok ? '' : parsed.error}`)
  assert.equal(parsed.value.end, path.length)
  const { path: read } = parsed.value
  return read.kind === 'address' ? formatAddress(read.address) : read.kind
}

describe('RFC 5321 §4.1.2 paths', () => {
  for (const [rule, path, canonical] of [
    ['a dot-string', '<a.b+c@Example.COM>', 'a.b+c@example.com'],
    ['the case of a local part', '<MiXed@example.com>', 'MiXed@example.com'],
    ['a quoted string that needs no quotes, unquoted', '<"a.b"@example.com>', 'a.b@example.com'],
    ['a quoted pair that needs no quoting', '<"a\\b"@example.com>', 'ab@example.com'],
    ['a quoted space', '<"a b"@example.com>', '"a b"@example.com'],
    ['a quoted @ and >', '<"a@b>c"@example.com>', '"a@b>c"@example.com'],
    ['quotes and backslashes inside quotes', '<"a\\"b\\\\c"@example.com>', '"a\\"b\\\\c"@example.com'],
    ['an empty quoted string', '<""@example.com>', '""@example.com'],
    ['dots that no dot-string has', '<".a..b."@example.com>', '".a..b."@example.com'],
    ['an IPv4 literal', '<a@[192.0.2.1]>', 'a@[192.0.2.1]'],
    ['an IPv6 literal', '<a@[IPv6:2001:DB8::1]>', 'a@[IPv6:2001:db8::1]'],
    ['A-labels', '<a@XN--BCHER-KVA.example>', 'a@xn--bcher-kva.example'],
    ['the null reverse-path', '<>', 'null'],
    ['postmaster alone', '<PostMaster>', 'postmaster'],
  ] as const) {
    test(`reads ${rule}`, () => assert.equal(accepted(path), canonical))
  }

  test('RFC 6531 §3.3: reads U-labels as A-labels and keeps a UTF-8 local part', () => {
    assert.equal(accepted('<δοκιμή@bücher.example>', utf8), 'δοκιμή@xn--bcher-kva.example')
  })

  test('SMTP-71: a source route is dropped', () => {
    covers('SMTP-71', { observe: 'pure' })
    assert.equal(accepted('<@a.example,@b.example:u@d.example>'), 'u@d.example')
    assert.equal(accepted('<@a.example:u@d.example>'), 'u@d.example')
  })

  const refused: readonly (readonly [string, string, AddressProblem])[] = [
    ['no brackets', 'a@example.com', 'syntax'],
    ['an open bracket', '<a@example.com', 'syntax'],
    ['a space in a dot-string', '<a b@example.com>', 'syntax'],
    ['two dots', '<a..b@example.com>', 'syntax'],
    ['an empty local part', '<@example.com>', 'syntax'],
    ['an empty domain', '<a@>', 'invalid-domain'],
    ['a second @', '<a@b@example.com>', 'invalid-domain'],
    ['an unqualified domain', '<a@host>', 'unqualified-domain'],
    ['no domain', '<abuse>', 'unqualified-domain'],
    ['a trailing dot', '<a@example.com.>', 'invalid-domain'],
    ['an underscore in the domain', '<a@ex_ample.com>', 'invalid-domain'],
    ['an address without brackets as domain', '<a@192.0.2.1>', 'invalid-domain'],
    ['a literal that is none', '<a@[192.0.2.256]>', 'invalid-domain'],
    ['a literal with a zone', '<a@[IPv6:fe80::1%eth0]>', 'invalid-domain'],
    ['a source route with postmaster', '<@a.example:postmaster>', 'unqualified-domain'],
    ['a local part of 65 octets', `<${'a'.repeat(65)}@example.com>`, 'local-part-too-long'],
    [
      'a path of 257 octets',
      `<a@${'b'.repeat(50)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(19)}>`,
      'path-too-long',
    ],
    ['a U-label without SMTPUTF8', '<a@bücher.example>', 'non-ascii'],
    ['a UTF-8 local part without SMTPUTF8', '<ü@example.com>', 'non-ascii'],
  ]
  for (const [rule, path, problem] of refused) {
    test(`refuses ${rule}`, () => assert.deepEqual(parsePath(path, ascii), err(problem)))
  }

  test('SMTP-20: no control character gets into an address, quoted or not, with or without SMTPUTF8', () => {
    covers('SMTP-20', { observe: 'pure' })
    for (let code = 0; code < 0xa0; code += 1) {
      if (code >= 0x20 && code < 0x7f) continue
      const character = String.fromCharCode(code)
      for (const path of [
        `<a${character}b@example.com>`,
        `<"a${character}b"@example.com>`,
        `<"a\\${character}b"@example.com>`,
        `<a@exam${character}ple.com>`,
      ]) {
        assert.equal(parsePath(path, utf8).ok, false, JSON.stringify(path))
        assert.equal(parsePath(path, ascii).ok, false, JSON.stringify(path))
      }
    }
  })

  test('SMTP-20: whatever is read holds neither control nor, without SMTPUTF8, non-ASCII characters', () => {
    covers('SMTP-20', { observe: 'pure' })
    const piece = fc.oneof(
      fc.constantFrom('<', '>', '@', '"', '\\', '.', '[', ']', ':', ',', ' ', 'a', 'example.com'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const parsed = parsePath(`<${pieces.join('')}`, ascii)
        if (parsed.ok && parsed.value.path.kind === 'address')
          assert.match(formatAddress(parsed.value.path.address), /^[\x20-\x7e]+$/)
      }),
    )
  })

  test('formatting and reading again gives the same address', () => {
    const content = fc.stringMatching(/^[\x20-\x7e]{0,30}$/)
    fc.assert(
      fc.property(content, (text) => {
        const printed = `${formatLocalPart(text)}@example.com`
        const parsed = parseMailbox(printed)
        assert(parsed.ok)
        assert.equal(formatAddress(parsed.value), printed)
      }),
    )
  })
})

const VECTORS = new URL('../../../../../shared/vectors/smtp_misc.json', import.meta.url)

interface Vector {
  readonly id: string
  readonly kind: string
  readonly input: string
  readonly expected: { readonly valid: boolean; readonly user?: string; readonly host?: string } | string
}

// Where RFC 5321 decides against the source of the vector.
const DISAGREE: Readonly<Record<string, string>> = {
  'smtp-035': 'RFC 5321 §4.1.1.2: Path has angle brackets',
}

describe('addresses as other implementations see them', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases } = existsSync(VECTORS)
    ? (JSON.parse(readFileSync(VECTORS, 'utf8')) as { cases: readonly Vector[] })
    : { cases: [] }
  for (const { id, kind, input, expected } of cases) {
    if (kind === 'localpart' || kind === 'address' || kind === 'path') {
      test(`${id} ${kind} ${JSON.stringify(input)}`, () => {
        assert(typeof expected === 'object')
        const path = kind === 'localpart' ? `<${input}@example.com>` : kind === 'address' ? `<${input}>` : input
        const parsed = parsePath(path, utf8)
        const valid = parsed.ok && parsed.value.end === path.length
        assert.equal(valid, DISAGREE[id] === undefined ? expected.valid : !expected.valid)
        if (!valid || kind !== 'path' || parsed.value.path.kind !== 'address') return
        const { address } = parsed.value.path
        // The vector keeps the sender's quotes; minimal quoting (RFC 5321 §4.1.2) may drop them.
        assert.equal(formatLocalPart(expected.user?.replace(/^"(.*)"$/, '$1') ?? ''), address.localPart)
        assert.equal(formatAddress(address).split('@').at(-1), expected.host)
      })
    }
    if (kind === 'pack-localpart') {
      test(`${id} quoting of ${JSON.stringify(input)}`, () => assert.equal(formatLocalPart(input), expected))
    }
  }
})
