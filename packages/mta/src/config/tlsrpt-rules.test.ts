import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf, problemsOf } from './config-lab.ts'

const ON = '[tlsrpt]\nenabled = true\n'
const NAMED = `${ON}organization = "Example Inc."\n`

describe('[tlsrpt]', () => {
  test('without it nothing is counted', () => assert.equal(configOf('').tlsrpt.enabled, false))

  test('whoever reports says who he is', () => {
    assert.deepEqual(problemsOf(ON), [
      'hermetic.toml:2:1: tlsrpt.enabled is true, but organization is missing; write organization = "Example Inc." in [tlsrpt]',
      'hermetic.toml:2:1: tlsrpt.enabled is true, but contact is missing; write contact = "tls-reports@example.com" in [tlsrpt]',
    ])
  })

  for (const [rule, contact, wrong] of [
    ['an address literal names no domain', 'tls@[192.0.2.1]', 'has an address in place of a domain'],
    ['a local part is ASCII', 'räports@example.com', 'has letters outside ASCII'],
  ] as const) {
    test(`the contact is an addr-spec that every reader takes: ${rule}`, () => {
      const remedy = 'write a mailbox in ASCII at a domain of yours'
      assert.deepEqual(problemsOf(`${NAMED}contact = "${contact}"`), [
        `hermetic.toml:4:1: tlsrpt.contact ${wrong}; ${remedy}`,
      ])
    })
  }

  test('the domain of the contact is kept in A-labels', () => {
    const { contact } = configOf(`${NAMED}contact = "tls@bücher.example"`).tlsrpt
    assert.deepEqual(contact?.domain, { kind: 'name', name: 'xn--bcher-kva.example' })
  })

  test('a key has a name in DNS', () => {
    assert.deepEqual(problemsOf(`${NAMED}contact = "tls@example.com"\nkey_file = "tlsrpt.pem"`), [
      'hermetic.toml:5:1: tlsrpt.key_file has a key without a name in DNS; write the selector of this key in [tlsrpt]',
    ])
  })

  for (const name of ['', ' Example', 'Example ', 'a\\nb', 'x'.repeat(201)]) {
    test(`"${name.slice(0, 10)}" is no name of an organization`, () => {
      assert.equal(problemsOf(`[tlsrpt]\norganization = "${name}"`).length, 1)
    })
  }
})
