import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { generateKeyPem } from '../signing/generate-key.ts'
import { configOf, problemsOf } from './config-lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'dkim-rules-'))
after(() => rmSync(directory, { recursive: true }))

const PEM = generateKeyPem('ed25519')
const WEAK = generateKeyPairSync('rsa', { modulusLength: 1023 }).privateKey.export({ type: 'pkcs8', format: 'pem' })

function keyFile(name: string, content: string, mode = 0o600): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

function entry(selector: string, path: string, more = ''): string {
  return `[[dkim]]\ndomain = "example.com"\nselector = "${selector}"\nkey_file = "${path}"\n${more}`
}

describe('[[dkim]]', () => {
  test('several keys of a domain are taken, the domain as an A-label', () => {
    const good = keyFile('good.pem', PEM)
    const text = `${entry('s1', good)}${entry('s2', good)}`.replace('example.com', 'bücher.example')
    const { dkim } = configOf(text)
    assert.deepEqual(
      dkim.map(({ domain, selector, subdomains, canonicalization }) => [
        domain,
        selector,
        subdomains,
        canonicalization,
      ]),
      [
        ['xn--bcher-kva.example', 's1', true, 'relaxed/relaxed'],
        ['example.com', 's2', true, 'relaxed/relaxed'],
      ],
    )
  })

  test('DKIM-01 and DKIM-02: a weak key is refused at the start, and there is no setting for SHA-1', () => {
    covers(['DKIM-01', 'DKIM-02'], { observe: 'store' })
    const good = keyFile('good.pem', PEM)
    const [weak = ''] = problemsOf(entry('s1', keyFile('weak.pem', WEAK.toString())))
    assert.match(weak, /^hermetic\.toml:4:1: dkim\[0\]\.key_file is an RSA key of less than 2048 bits: .*; name a key/)
    for (const more of ['algorithm = "rsa-sha1"', 'hash = "sha1"', 'canonicalization = "rsa-sha1"']) {
      assert.equal(problemsOf(entry('s1', good, `${more}\n`)).length, 1, more)
    }
  })

  test('DKIM-15: a key that is missing, damaged or writable by others stops the start, with the way to one', () => {
    covers('DKIM-15', { observe: 'store' })
    for (const [path, wrong] of [
      [
        join(directory, 'missing.pem'),
        /cannot be read \(no such file or directory\).*hermetic dkim keygen example\.com s1/,
      ],
      [keyFile('damaged.pem', 'x'), /is no unencrypted private key in PEM/],
      [keyFile('large.pem', 'x'.repeat(20_000)), /is larger than any private key/],
      [keyFile('open.pem', PEM, 0o622), /can be written by others than its owner.*chmod 600 it/],
    ] as const) {
      const problems = problemsOf(entry('s1', path))
      assert.equal(problems.length, 1)
      assert.match(problems[0] ?? '', wrong)
    }
  })

  test('a selector is there once for a domain, and a domain has four keys at most', () => {
    const good = keyFile('good.pem', PEM)
    assert.match(problemsOf(entry('s1', good) + entry('s1', good))[0] ?? '', /is there twice for example\.com: "s1"/)
    const five = ['a', 'b', 'c', 'd', 'e'].map((selector) => entry(selector, good)).join('')
    assert.match(problemsOf(five)[0] ?? '', /dkim\[4\]\.selector is one key too many/)
  })

  test('without key_file the key is where keygen puts it', () => {
    const [problem = ''] = problemsOf('[[dkim]]\ndomain = "example.com"\nselector = "s1"\n')
    assert.match(problem, /data\/dkim\/s1\._domainkey\.example\.com\.pem/)
  })

  for (const [setting, value] of [
    ['domain', 'com'],
    ['domain', '*.example.com'],
    ['selector', 'S1'],
    ['selector', 's1.'],
    ['selector', '-s1'],
  ] as const) {
    test(`${setting} = "${value}" is refused`, () => {
      const text = entry('s1', keyFile('good.pem', PEM)).replace(
        new RegExp(`${setting} = ".*"`),
        `${setting} = "${value}"`,
      )
      assert.equal(problemsOf(text).length, 1)
    })
  }
})
