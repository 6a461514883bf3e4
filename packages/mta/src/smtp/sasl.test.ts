import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Secret } from '../config/secret.ts'
import type { AccessTokens, Credentials } from './auth.ts'
import { authCommand, exchangeOf, mechanismFor, withoutSecret } from './sasl.ts'

const PEER = { host: 'smtp.test', port: 587 }

function plain(username: string, secret: string) {
  return exchangeOf('PLAIN', { username, secret, ...PEER })
}

function decoded(text: string | undefined): string {
  return Buffer.from(text ?? '', 'base64').toString()
}

describe('RFC 4616 §2 PLAIN', () => {
  test('an empty authorization identity, the name and the password, with NUL between them', () => {
    assert.deepEqual(plain('tim', 'tanstaaftanstaaf').responses, ['AHRpbQB0YW5zdGFhZnRhbnN0YWFm'])
  })

  test('in UTF-8', () => {
    assert.deepEqual(decoded(plain('käthe', 'pässwörd').responses[0]).split('\0'), ['', 'käthe', 'pässwörd'])
  })
})

test('LOGIN waits until it is asked for each part', () => {
  const exchange = exchangeOf('LOGIN', { username: 'tim', secret: 'secret', ...PEER })
  assert.deepEqual(exchange.responses.map(decoded), ['tim', 'secret'])
  assert.deepEqual(authCommand(exchange), { line: 'AUTH LOGIN\r\n', left: exchange.responses })
})

test('RFC 7628 §4.1: OAUTHBEARER as in its example, and an empty message after an error', () => {
  const login = { username: 'user@example.com', secret: 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==' }
  const exchange = exchangeOf('OAUTHBEARER', { ...login, host: 'server.example.com', port: 143 })
  const example =
    'bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB'
  assert.deepEqual([exchange.responses, exchange.afterError], [[example], 'AQ=='])
})

test('RFC 5801 §4: a comma and an equals sign in a name are escaped in OAUTHBEARER', () => {
  const { responses } = exchangeOf('OAUTHBEARER', { username: 'a,b=c', secret: 't', ...PEER })
  assert.equal(decoded(responses[0]).split('\u0001')[0], 'n,a=a=2Cb=3Dc,')
})

test('XOAUTH2 has the name and the token, each ended by a control character', () => {
  const { responses, afterError } = exchangeOf('XOAUTH2', { username: 'a@b.test', secret: 'tok', ...PEER })
  assert.deepEqual([decoded(responses[0]), afterError], ['user=a@b.test\u0001auth=Bearer tok\u0001\u0001', ''])
})

const TOKENS: AccessTokens = { token: async () => assert.fail('nobody asks'), refused: () => undefined }

describe('the best mechanism that both know, or the one that is written', () => {
  const password = { username: 'a', password: new Secret('b') }
  const token = { username: 'a', tokens: TOKENS }
  for (const [credentials, offered, chosen] of [
    [password, ['LOGIN', 'PLAIN', 'XOAUTH2'], 'PLAIN'],
    [password, ['LOGIN', 'CRAM-MD5'], 'LOGIN'],
    [password, ['XOAUTH2'], undefined],
    [{ ...password, mechanism: 'LOGIN' }, ['LOGIN', 'PLAIN'], 'LOGIN'],
    [{ ...password, mechanism: 'LOGIN' }, ['PLAIN'], undefined],
    [token, ['PLAIN', 'XOAUTH2', 'OAUTHBEARER'], 'OAUTHBEARER'],
    [token, ['PLAIN', 'XOAUTH2'], 'XOAUTH2'],
    [token, ['PLAIN', 'LOGIN'], undefined],
    [{ ...token, mechanism: 'XOAUTH2' }, ['XOAUTH2', 'OAUTHBEARER'], 'XOAUTH2'],
  ] as const satisfies readonly (readonly [Credentials, readonly string[], string | undefined])[]) {
    test(`${'password' in credentials ? 'a password' : 'a token'} and ${offered.join(' ')}: ${chosen}`, () =>
      assert.equal(mechanismFor(credentials, offered), chosen))
  }
})

test('RFC 4954 §4 the AUTH command has its response with it as long as a command line may be', () => {
  const line = (length: number) => ({ ...plain('', ''), responses: ['A'.repeat(length)] })
  const fits = 512 - 'AUTH PLAIN \r\n'.length
  assert.deepEqual(authCommand(line(fits)), { line: `AUTH PLAIN ${'A'.repeat(fits)}\r\n`, left: [] })
  assert.deepEqual(authCommand(line(fits + 1)), { line: 'AUTH PLAIN\r\n', left: ['A'.repeat(fits + 1)] })
})

test('no form of the secret stands in a reply that is shown', () => {
  const texts = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !text.includes('\0'))
  const mechanisms = fc.constantFrom('PLAIN', 'LOGIN', 'XOAUTH2', 'OAUTHBEARER')
  fc.assert(
    fc.property(mechanisms, texts, texts, texts, (mechanism, username, secret, around) => {
      const exchange = exchangeOf(mechanism, { username, secret, ...PEER })
      const forms = [secret, exchange.responses.at(-1), Buffer.from(secret).toString('base64')]
      const reply = { code: 535, lines: forms.map((form) => `${around}${form}${around}`) }
      const { code, lines } = withoutSecret(reply, exchange, secret)
      assert.equal(code, 535)
      assert.deepEqual(lines, ['[redacted]', '[redacted]', '[redacted]'])
    }),
  )
})

test('nor broken over the lines of one', () => {
  const exchange = plain('shop', 'secret')
  const [response = ''] = exchange.responses
  const reply = { code: 535, lines: [response.slice(0, 7), response.slice(7)] }
  assert.deepEqual(withoutSecret(reply, exchange, 'secret').lines, ['[redacted]', '[redacted]'])
})

test('any other text is left as it is', () => {
  const reply = { code: 535, lines: ['authentication failed', 'UGFzc3dvcmQ6'] }
  assert.deepEqual(withoutSecret(reply, plain('shop', 'secret'), 'secret'), reply)
})
