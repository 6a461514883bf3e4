import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseNextHop, parseQuery } from './query.ts'

const FORMS = [
  ['example.com', { kind: 'mx', domain: 'example.com', port: 25 }],
  ['Example.COM', { kind: 'mx', domain: 'example.com', port: 25 }],
  ['localhost', { kind: 'mx', domain: 'localhost', port: 25 }],
  ['example.com:587', { kind: 'mx', domain: 'example.com', port: 587 }],
  ['example.com:submission', { kind: 'mx', domain: 'example.com', port: 587 }],
  ['[mail.example.com]', { kind: 'host', domain: 'mail.example.com', port: 25 }],
  ['[mail.example.com]:465', { kind: 'host', domain: 'mail.example.com', port: 465 }],
  ['[mail.example.com]:smtps', { kind: 'host', domain: 'mail.example.com', port: 465 }],
  ['bücher.example', { kind: 'mx', domain: 'xn--bcher-kva.example', port: 25 }],
  ['.example.com', { kind: 'nothing', because: 'parent' }],
  ['.com', { kind: 'nothing', because: 'parent' }],
  ['[192.0.2.1]', { kind: 'nothing', because: 'address' }],
  ['[192.0.2.1]:587', { kind: 'nothing', because: 'address' }],
  ['192.0.2.1', { kind: 'nothing', because: 'address' }],
  ['[2001:db8::1]', { kind: 'nothing', because: 'address' }],
  ['[IPv6:2001:db8::1]:25', { kind: 'nothing', because: 'address' }],
  ['2001:db8::1', { kind: 'nothing', because: 'address' }],
  ['/var/run/lmtp.sock', { kind: 'nothing', because: 'path' }],
  ['unix:private/lmtp', { kind: 'nothing', because: 'path' }],
] as const

for (const [key, expected] of FORMS) {
  test(`a next hop of Postfix is understood: ${key}`, () => {
    assert.deepEqual(parseNextHop(key), { ok: true, value: expected })
  })
}

const MALFORMED = [
  ['example..com', 'bad-next-hop'],
  ['-example.com', 'bad-next-hop'],
  ['jane@example.com', 'bad-next-hop'],
  ['exa mple.com', 'bad-next-hop'],
  ['[mail.example.com', 'bad-next-hop'],
  ['[[mail.example.com]]', 'bad-next-hop'],
  ['[]', 'bad-next-hop'],
  [`${'a'.repeat(64)}.example`, 'bad-next-hop'],
  ['example.com:0', 'bad-port'],
  ['example.com:65536', 'bad-port'],
  ['example.com:', 'bad-port'],
  ['[mail.example.com]:nowhere', 'bad-port'],
  ['[192.0.2.1]:x', 'bad-port'],
] as const

for (const [key, kind] of MALFORMED) {
  test(`a next hop that cannot be one is refused: ${key}`, () => {
    assert.deepEqual(parseNextHop(key), { ok: false, error: { kind } })
  })
}

test('a request is a query name, one space, and the key', () => {
  assert.deepEqual(parseQuery(Buffer.from('policy example.com')), {
    ok: true,
    value: { zone: 'policy', key: 'example.com' },
  })
  for (const text of ['', 'policy', 'policy ', ' example.com', ' ']) {
    assert.deepEqual(parseQuery(Buffer.from(text)), { ok: false, error: { kind: 'no-key' } }, JSON.stringify(text))
  }
  assert.deepEqual(parseQuery(Buffer.of(0x70, 0x20, 0xff)), { ok: false, error: { kind: 'not-utf8' } })
})

test('no request makes the readers throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
      const query = parseQuery(octets)
      if (query.ok) parseNextHop(query.value.key)
    }),
  )
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (key) => void parseNextHop(key)))
})
