import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TlsPolicyCause } from '../delivery/outcome.ts'
import { tlsRefusal } from './tls-refusal-text.ts'

const SERVER = 'the mail server mx.b.example [192.0.2.1]'

function told(changes: Partial<TlsPolicyCause>): string {
  const { what, advice } = tlsRefusal(
    { kind: 'tls-policy', reason: 'starttls-not-offered', policyDomain: 'b.example', mechanism: 'mta-sts', ...changes },
    SERVER,
  )
  return `${what} ${advice}`
}

describe('DSN-20: whose policy refused, why, and what its owner can do', () => {
  for (const [what, changes, owner, remedy] of [
    ['STARTTLS is missing', {}, /b\.example enforces an MTA-STS policy/, /must offer STARTTLS/],
    ['a handshake fails', { reason: 'handshake-failed (timeout)' }, /MTA-STS/, /TLS must work/],
    [
      'a certificate is not valid',
      { reason: 'certificate-untrusted (CERT_HAS_EXPIRED)' },
      /MTA-STS/,
      /valid certificate/,
    ],
    [
      'a certificate has another name',
      { reason: 'certificate-name-mismatch (mx.b.example)' },
      /MTA-STS/,
      /must name that server/,
    ],
    [
      'a policy does not name the server',
      { reason: 'sts-mx-mismatch', mxHostname: 'mx9.b.example' },
      /does not name the mail server mx9\.b\.example/,
      /https:\/\/mta-sts\.b\.example\/\.well-known\/mta-sts\.txt must name/,
    ],
    [
      'TLSA records do not match',
      { mechanism: 'dane', reason: 'tlsa-mismatch (no-tlsa-match)' },
      /\(DANE\)/,
      /must fit each other/,
    ],
    [
      'TLSA records cannot be had',
      { mechanism: 'dane', reason: 'tlsa-lookup-failed (tlsa of mx.b.example: SERVFAIL)', mxHostname: 'mx.b.example' },
      /could not be found out/,
      /name servers must answer/,
    ],
    [
      'both fail',
      { mechanism: 'dane+mta-sts', reason: 'tlsa-mismatch (no-tlsa-match), certificate-untrusted (X)' },
      /and its mail server DANE/,
      /TLSA records/,
    ],
    ['a reason is new', { reason: 'some-new-word' }, /some-new-word/, /TLS at .* needs mending/],
  ] as const) {
    test(what, () => {
      assert.match(told(changes), owner)
      assert.match(told(changes), remedy)
      assert.match(told(changes), /Tell the administrator of b\.example/)
      assert.match(told(changes), /Nothing was sent over a channel that others could read/)
    })
  }

  test('what this relay demands is for its own postmaster', () => {
    const { mechanism: _, ...ours } = {
      mechanism: 'dane',
      kind: 'tls-policy',
      reason: 'dane-required (no-tlsa)',
      policyDomain: 'b.example',
    } as const
    const { what, advice } = tlsRefusal(ours, SERVER)
    assert.match(what, /This relay demands/)
    assert.match(advice ?? '', /ask the postmaster named below/)
  })

  test('what the sender demanded can be taken back by the sender', () => {
    const { what, advice } = tlsRefusal(
      {
        kind: 'tls-policy',
        reason: 'x',
        policyDomain: 'b.example',
        requireTls: { kind: 'transient' },
      },
      SERVER,
    )
    assert.match(what, /You demanded.*REQUIRETLS/)
    assert.match(advice ?? '', /send the message again without that demand/)
  })
})
