import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { messageSigner } from './dkim.ts'
import { judgeKeyRecord, keyRecordText } from './key-record.ts'
import { ED25519, identity, RSA, reasonOf, SIGNED_AT, signedText, verified } from './signing.fixture.ts'
import { parseSigningKey, publicKeyText } from './signing-key.ts'

const BOTH = [identity(), identity({ selector: 'e1', key: ED25519 })]
const HEADER = [
  'From: "Doe, Jane" <jane@example.com>',
  'To: joe@example.org,',
  '\tjim@example.org',
  'Subject:  two  spaces ',
  'Date: Sun, 22 Nov 2026 08:37:00 +0000',
  'Message-ID: <1@example.com>',
  '',
].join('\r\n')

/** Tags of the uppermost signature, unfolded. */
function tagsOf(message: string): ReadonlyMap<string, string> {
  const field = /^DKIM-Signature:((?:.|\r\n[ \t])*)\r\n/.exec(message)?.[1] ?? ''
  const parts = field.replace(/\s+/g, '').split(';')
  const tags = parts.map((part): [string, string] => [
    part.slice(0, part.indexOf('=')),
    part.slice(part.indexOf('=') + 1),
  ])
  assert.equal(new Map(tags).size, tags.length, 'no tag twice')
  return new Map(tags)
}

describe('DKIM signatures', () => {
  test('DKIM-03, DKIM-11, DKIM-12 and DKIM-14: RSA and Ed25519 sign side by side, with the tags that must be there and never l=', async () => {
    covers(['DKIM-03', 'DKIM-11', 'DKIM-12', 'DKIM-14'], { observe: 'pure' })
    const message = `${HEADER}\r\nHello\r\n`
    const text = signedText(messageSigner(BOTH), message)
    assert.deepEqual(await verified(text, BOTH), ['example.com/s1 pass', 'example.com/e1 pass'])
    assert.ok(text.endsWith(message))
    const tags = tagsOf(text)
    assert.deepEqual([...tags.keys()], ['v', 'a', 'c', 'd', 's', 't', 'h', 'bh', 'b'])
    assert.equal(tags.get('a'), 'rsa-sha256')
    assert.equal(tags.get('c'), 'relaxed/relaxed')
    assert.equal(tags.get('t'), String(SIGNED_AT / 1000))
    assert.equal(publicKeyText(ED25519).length, 44)
    assert.match(keyRecordText(ED25519), /^v=DKIM1; k=ed25519; /)
    for (const line of text.split('\r\n')) assert.ok(line.length <= 100, line)
  })

  test('DKIM-04, DKIM-05 and DKIM-06: From and what is shown is signed once more than it is there; trace fields are not', async () => {
    covers(['DKIM-04', 'DKIM-05', 'DKIM-06'], { observe: 'pure' })
    const header = `Received: from a\r\nKeywords: k\r\nComments: c\r\nReturn-Path: <a@b>\r\n${HEADER}`
    const text = signedText(messageSigner([identity()]), `${header}\r\nHello\r\n`)
    const names = (tagsOf(text).get('h') ?? '').split(':')
    const times = (name: string): number => names.filter((one) => one === name).length
    for (const name of ['From', 'Subject', 'Date', 'To', 'Message-ID']) assert.equal(times(name), 2, name)
    for (const name of ['Cc', 'Reply-To', 'MIME-Version', 'Content-Type', 'Content-Transfer-Encoding']) {
      assert.equal(times(name), 1, name)
    }
    for (const name of ['Received', 'Return-Path', 'Comments', 'Keywords', 'DKIM-Signature'])
      assert.equal(times(name), 0)
    const at = text.indexOf('Received: from a')
    for (const added of [
      'From: eve@example.net',
      'Subject: other',
      'Reply-To: eve@example.net',
      'Content-Type: text/html',
    ]) {
      const spoiled = `${text.slice(0, at)}${added}\r\n${text.slice(at)}`
      assert.deepEqual(await verified(spoiled, [identity()]), ['example.com/s1 fail'], added)
    }
    const traced = `${text.slice(0, at)}Received: from b\r\n${text.slice(at)}`
    assert.deepEqual(await verified(traced, [identity()]), ['example.com/s1 pass'])
  })

  test('DKIM-07: fields of one name are signed from the bottom up', async () => {
    covers('DKIM-07', { observe: 'pure' })
    const [one, two] = ['List-Id: <one.example.com>\r\n', 'List-Id: <two.example.com>\r\n']
    const text = signedText(messageSigner(BOTH), `${one}${HEADER}${two}\r\nHello\r\n`)
    assert.deepEqual(await verified(text, BOTH), ['example.com/s1 pass', 'example.com/e1 pass'])
    const swapped = text.replace(one, '#').replace(two, one).replace('#', two)
    assert.deepEqual(await verified(swapped, BOTH), ['example.com/s1 fail', 'example.com/e1 fail'])
    const above = text.replace(one, `List-Id: <three.example.com>\r\n${one}`)
    assert.deepEqual(await verified(above, BOTH), ['example.com/s1 pass', 'example.com/e1 pass'])
  })

  test('DKIM-13: a new signature stands above the older ones, which stay as they are', async () => {
    covers('DKIM-13', { observe: 'pure' })
    const first = signedText(messageSigner([identity()]), `${HEADER}\r\nHello\r\n`)
    const other = identity({ selector: 's2', key: ED25519 })
    const second = signedText(messageSigner([other]), first)
    assert.ok(second.endsWith(first))
    assert.deepEqual(await verified(second, [identity(), other]), ['example.com/s2 pass', 'example.com/s1 pass'])
  })

  for (const form of ['relaxed/relaxed', 'simple/simple', 'relaxed/simple', 'simple/relaxed'] as const) {
    test(`DKIM-08 and DKIM-09: ${form} verifies for any header and body, in whatever pieces the body came`, async () => {
      covers(['DKIM-08', 'DKIM-09'], { observe: 'pure' })
      const [header, body] = form.split('/') as ['relaxed' | 'simple', 'relaxed' | 'simple']
      const one = identity({ header, body, key: ED25519 })
      const begin = messageSigner([one])
      const words = fc.array(fc.constantFrom(' ', '\t', '\r\n', '\r\n', 'a', '.', '=20', '\xe9', ' \r\n', '\t \t'), {
        maxLength: 40,
      })
      const value = fc.array(fc.constantFrom(' ', '\t', 'a', 'B:', '\r\n ', '\r\n\t', ';', '\xc3\xa9'), {
        maxLength: 12,
      })
      const name = fc.constantFrom('Subject', 'SUBJECT ', 'To', 'X-Other', 'list-id', 'Content-Type')
      const fields = fc.array(fc.tuple(name, value), { maxLength: 6 })
      await fc.assert(
        fc.asyncProperty(fields, words, fc.integer({ min: 1, max: 9 }), async (more, parts, size) => {
          const fieldsText = more.map(([label, pieces]) => `${label}:${pieces.join('')}x\r\n`).join('')
          const section = `${HEADER}${fieldsText}`
          const text = Buffer.from(parts.join(''), 'latin1')
          const begun = begin(Buffer.from(section, 'latin1'), { signedAt: SIGNED_AT, mayAuthor: () => true })
          assert.ok(begun.kind === 'signing')
          for (let at = 0; at < text.length; at += size) begun.signature.body(text.subarray(at, at + size))
          const top = await begun.signature.finish()
          assert.equal(top.length, begun.signature.octets)
          const whole = Buffer.concat([top, Buffer.from(`${section}\r\n`, 'latin1'), text])
          assert.deepEqual(
            await verified(whole, [one]),
            ['example.com/s1 pass'],
            JSON.stringify(whole.toString('latin1')),
          )
        }),
        { numRuns: 150 },
      )
    })
  }

  test('a great many empty lines are held as a number, and counted when text follows', async () => {
    const lines = '\r\n'.repeat(40_000)
    for (const body of [`a${lines}`, `a${lines}b\r\n`, lines, '', ' \r\n']) {
      const text = signedText(messageSigner(BOTH), `${HEADER}\r\n${body}`)
      assert.deepEqual(await verified(text, BOTH), ['example.com/s1 pass', 'example.com/e1 pass'])
    }
  })
})

describe('whose key signs', () => {
  const begin = messageSigner([
    identity(),
    identity({ domain: 'strict.example.com', subdomains: false }),
    identity({ domain: 'example.net' }),
    identity({ domain: 'xn--bcher-kva.example' }),
  ])
  const judged = (from: string, mayAuthor = () => true): string => {
    const begun = begin(Buffer.from(`${from}\r\n`), { signedAt: 0, mayAuthor })
    return begun.kind === 'signing' && begun.signature.outcome.kind === 'signed'
      ? begun.signature.outcome.domain
      : reasonOf(begun)
  }

  for (const [from, expected] of [
    ['From: jane@example.com', 'example.com'],
    ['From: jane@EXAMPLE.com (a@b.c)', 'example.com'],
    ['From: "x@example.net" <jane@example.com>', 'example.com'],
    ['From: jane@news.example.com', 'example.com'],
    ['From: jane@a.news.example.com', 'example.com'],
    ['From: jane@strict.example.com', 'strict.example.com'],
    ['From: jane@below.strict.example.com', 'no-key'],
    ['From: jane@notexample.com', 'no-key'],
    ['From: jane@bücher.example', 'xn--bcher-kva.example'],
    ['From: jane@example.com,\r\n joe@news.example.com', 'example.com'],
    ['From: team: jane@example.com, joe@example.com;', 'example.com'],
    ['From: jane@example.com, joe@example.net', 'several-domains'],
    ['From: jane@example.com, joe@example.org', 'several-domains'],
    ['From: jane@example.com\r\nFrom: joe@example.com', 'unreadable-from'],
    ['From: jane', 'unreadable-from'],
    ['From: <>', 'unreadable-from'],
    ['To: jane@example.com', 'unreadable-from'],
  ] as const) {
    test(`${JSON.stringify(from)}: ${expected}`, () => assert.equal(judged(from), expected))
  }

  test('nobody signs for an address that the account may not send as', () => {
    assert.equal(
      judged('From: jane@example.com', () => false),
      'not-permitted',
    )
  })
})

describe('keys and their records', () => {
  const pem = (bits: number): string =>
    generateKeyPairSync('rsa', { modulusLength: bits }).privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()

  test('RSA below 2048 bits, other kinds and SHA-1 are no signing keys', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
    const problems = [pem(1024), pem(2047), other, 'x'].map((text) => parseSigningKey(Buffer.from(text)))
    assert.deepEqual(
      problems.map((parsed) => (parsed.ok ? 'usable' : parsed.error)),
      ['too-weak', 'too-weak', 'other-type', 'not-a-private-key'],
    )
    assert.deepEqual([RSA.algorithm, ED25519.algorithm], ['rsa-sha256', 'ed25519-sha256'])
  })

  for (const [change, faults] of [
    [(text: string) => text, []],
    [(text: string) => text.replace('p=', 's=email:tlsrpt; p='), []],
    [(text: string) => text.replace('k=rsa; ', ''), []],
    [(text: string) => text.replace('p=', 's=tlsrpt; p='), ['not-for-mail']],
    [(text: string) => text.replace(/p=.*/, 'p='), ['revoked']],
    [(text: string) => text.replace(/p=....../, 'p=AAAAAA'), ['other-key']],
    [(text: string) => `${text}; h=sha1`, ['sha256-not-allowed']],
    [(text: string) => text.replace('DKIM1', 'DKIM2'), ['other-version']],
    [(text: string) => text.replace('k=rsa', 'k=ed25519'), ['other-key-type']],
    [(text: string) => `${text}; p=x`, ['not-a-key-record']],
    [() => 'v=spf1 -all', ['not-a-key-record', 'other-version']],
  ] as const) {
    test(`a record is judged: ${change('v=DKIM1; k=rsa; p=MIIBIj').slice(0, 60)} has ${faults.join() || 'no'} fault`, () => {
      assert.deepEqual(judgeKeyRecord(change(keyRecordText(RSA)), RSA).faults, faults)
    })
  }
})
