import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type DomainName, type OwnerName, parseDomainName, parseOwnerName } from '../domain-name.ts'
import { candidateBaseDomains } from './base-domain.ts'

const name = host('mx.example.test')
const end = host('end.example.net')

for (const [rule, status, outcome] of [
  ['RFC 7672 §2.2.2 Non-CNAME, secure: the name', { canonicalName: name, secure: true }, ['mx.example.test']],
  ['RFC 7672 §2.2.2 Non-CNAME, insecure: none', { canonicalName: name, secure: false }, 'insecure'],
  [
    'RFC 7672 §2.2.2 Secure CNAME: its end, then the name',
    { canonicalName: end, secure: true },
    ['end.example.net', 'mx.example.test'],
  ],
  [
    'RFC 7672 §2.2.2 Insecure CNAME: what the first alias says is needed',
    { canonicalName: end, secure: false },
    'ask-first-alias',
  ],
  [
    'RFC 7672 §2.2.2 Insecure CNAME with a secure first alias: the name',
    { canonicalName: end, secure: false, firstAliasSecure: true },
    ['mx.example.test'],
  ],
  [
    'RFC 7672 §2.2.2 Insecure CNAME with an insecure first alias: none',
    { canonicalName: end, secure: false, firstAliasSecure: false },
    'insecure',
  ],
  [
    'an end that is no hostname is no server name: the name alone',
    { canonicalName: owner('_lb.example.net'), secure: true },
    ['mx.example.test'],
  ],
] as const) {
  test(rule, () => {
    const found = candidateBaseDomains({ name, ...status })
    assert.deepEqual(found.kind === 'candidates' ? found.names : found.kind, outcome)
  })
}

test('candidates are the two ends of the chain, and what is insecure never adds one', () => {
  const label = fc.constantFrom('a.test', 'b.test', '_c.test').map(owner)
  fc.assert(
    fc.property(label, fc.boolean(), fc.option(fc.boolean(), { nil: undefined }), (canonicalName, secure, first) => {
      const firstAlias = first === undefined ? {} : { firstAliasSecure: first }
      const found = candidateBaseDomains({ name: host('a.test'), canonicalName, secure, ...firstAlias })
      if (found.kind !== 'candidates') return
      assert(secure || (first === true && canonicalName !== 'a.test'))
      assert.equal(found.names.at(-1), 'a.test')
      for (const candidate of found.names) assert(candidate === canonicalName || candidate === 'a.test')
      assert(secure || found.names.length === 1)
    }),
  )
})

function host(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}

function owner(text: string): OwnerName {
  const parsed = parseOwnerName(text)
  assert(parsed.ok, text)
  return parsed.value
}
