/** What a report calls each cause, and that its vocabulary stays small. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerFacts } from '../peer-facts.ts'
import { type PolicyFetchError, policyFetchReport } from './fetch-error.ts'

const address = '192.0.2.1'
const peer: PeerFacts = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  keyExchange: 'X25519',
  chain: [
    {
      der: new Uint8Array(),
      fingerprintSha256: '',
      subject: '',
      issuer: '',
      validFrom: 0,
      validTo: 0,
      subjectAltName: '',
    },
  ],
  chainCut: false,
  pkix: { kind: 'trusted' },
  name: { kind: 'not-asked' },
}

const table: readonly (readonly [PolicyFetchError, string | undefined])[] = [
  [{ kind: 'policy-host-name' }, 'sts-policy-fetch-error policy-host-name'],
  [{ kind: 'dns', reason: { kind: 'timeout' } }, 'sts-policy-fetch-error dns-failed'],
  [{ kind: 'no-address', reason: 'nodata' }, 'sts-policy-fetch-error no-address'],
  [{ kind: 'address-refused', refused: [] }, 'sts-policy-fetch-error address-refused'],
  [{ kind: 'connect', address, code: 'ECONNREFUSED' }, 'sts-policy-fetch-error connect-failed'],
  [{ kind: 'tls', address, failure: { kind: 'closed' } }, 'sts-policy-fetch-error tls-failed'],
  [{ kind: 'truncated', address, code: 'CLOSED' }, 'sts-policy-fetch-error truncated'],
  [{ kind: 'malformed', address, code: 'HPE_INVALID_VERSION' }, 'sts-policy-fetch-error malformed'],
  [{ kind: 'content-encoding', address }, 'sts-policy-fetch-error content-encoding'],
  [{ kind: 'too-large', address, limitBytes: 1 }, 'sts-policy-fetch-error too-large'],
  [{ kind: 'timeout', phase: 'body' }, 'sts-policy-fetch-error timeout-body'],
  [{ kind: 'status', address, status: 301 }, 'sts-policy-fetch-error status-301'],
  [{ kind: 'media-type', address, mediaType: '<script>' }, 'sts-policy-fetch-error media-type'],
  [{ kind: 'webpki', address, reason: 'untrusted', code: 'X', peer }, 'sts-webpki-invalid webpki-untrusted'],
  [{ kind: 'webpki', address, reason: 'expired', code: 'X', peer }, 'sts-webpki-invalid webpki-expired'],
  [{ kind: 'webpki', address, reason: 'name', peer }, 'sts-webpki-invalid webpki-name'],
  [
    { kind: 'policy-invalid', address, error: { kind: 'invalid-mode', value: '<script>' } },
    'sts-policy-invalid policy-invalid-mode',
  ],
  [{ kind: 'own-limit' }, undefined],
  [{ kind: 'aborted' }, undefined],
]

for (const [error, expected] of table) {
  test(`${error.kind}: ${expected ?? 'is not reported'}`, () => {
    const report = policyFetchReport(error)
    assert.equal(report && `${report.resultType} ${report.failureReasonCode}`, expected)
  })
}
