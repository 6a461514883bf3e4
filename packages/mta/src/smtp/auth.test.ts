import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Secret } from '../config/secret.ts'
import { authCommand, plainResponse, withoutCredentials } from './auth.ts'

function credentials(username: string, password: string) {
  return { username, password: new Secret(password) }
}

describe('RFC 4616 §2 PLAIN', () => {
  test('an empty authorization identity, the name and the password, with NUL between them', () => {
    assert.equal(plainResponse(credentials('tim', 'tanstaaftanstaaf')), 'AHRpbQB0YW5zdGFhZnRhbnN0YWFm')
  })

  test('in UTF-8', () => {
    const response = Buffer.from(plainResponse(credentials('käthe', 'pässwörd')), 'base64').toString()
    assert.deepEqual(response.split('\0'), ['', 'käthe', 'pässwörd'])
  })
})

describe('RFC 4954 §4 the AUTH command', () => {
  test('has its response with it as long as a command line may be', () => {
    const fits = 'A'.repeat(512 - 'AUTH PLAIN \r\n'.length)
    assert.deepEqual(authCommand(fits), { line: `AUTH PLAIN ${fits}\r\n`, complete: true })
    assert.deepEqual(authCommand(`${fits}A`), { line: 'AUTH PLAIN\r\n', complete: false })
  })
})

test('no form of the password stands in a reply that is shown', () => {
  const texts = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(texts, texts, texts, (username, password, around) => {
      const login = credentials(username, password)
      const forms = [password, plainResponse(login), Buffer.from(password).toString('base64')]
      const reply = { code: 535, lines: forms.map((form) => `${around}${form}${around}`) }
      const { code, lines } = withoutCredentials(reply, login)
      assert.equal(code, 535)
      assert.deepEqual(lines, ['[redacted]', '[redacted]', '[redacted]'])
    }),
  )
})

test('nor broken over the lines of one', () => {
  const login = credentials('shop', 'secret')
  const response = plainResponse(login)
  const { lines } = withoutCredentials({ code: 535, lines: [response.slice(0, 7), response.slice(7)] }, login)
  assert.deepEqual(lines, ['[redacted]', '[redacted]'])
})

test('any other text is left as it is', () => {
  const reply = { code: 535, lines: ['authentication failed', 'UGFzc3dvcmQ6'] }
  assert.deepEqual(withoutCredentials(reply, credentials('shop', 'secret')), reply)
})
