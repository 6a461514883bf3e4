/** Why a policy could not be had from its policy host, in words for the owner of the domain (RFC 8461 §3.3). Pure. */
import type { HttpsPhase } from '../egress/https-failure.ts'
import type { PolicyFetchError } from '../mta-sts/fetch-error.ts'
import type { PolicyFileError } from '../mta-sts/policy-file.ts'
import { assertNever } from '../result.ts'
import { bounded, dnsFailureWords } from './plain.ts'
import { tlsFailureWords, trustWords } from './tls-words.ts'

const SILENCE: Readonly<Record<HttpsPhase, string>> = {
  dns: 'DNS does not answer in time',
  connect: 'it does not take the connection in time',
  tls: 'the TLS handshake does not end in time',
  response: 'it does not answer the request in time',
  body: 'it does not finish its answer in time',
}

export function fetchErrorWords(error: PolicyFetchError): string {
  switch (error.kind) {
    case 'dns':
      return `its address cannot be looked up: ${dnsFailureWords(error.reason)}`
    case 'no-address':
      return error.reason === 'nxdomain' ? 'its name does not exist' : 'its name has no address'
    case 'address-refused':
      return `its addresses are not public: ${error.refused.map(({ address, reason }) => `${address} (${reason})`).join(', ')}`
    case 'connect':
      return `${error.address} does not take the connection (${error.code})`
    case 'tls':
      return `the TLS handshake with ${error.address} fails: ${tlsFailureWords(error.failure)}`
    case 'webpki':
      return error.reason === 'name'
        ? 'its certificate is for another name'
        : `its certificate is not trusted: ${trustWords(error.code ?? error.reason)}`
    case 'truncated':
      return `its answer breaks off (${error.code})`
    case 'malformed':
      return bounded(`its answer is not HTTP (${error.code})`)
    case 'content-encoding':
      return 'its answer is compressed, although nothing of the kind was asked for'
    case 'too-large':
      return `its answer is larger than ${error.limitBytes} bytes`
    case 'timeout':
      return SILENCE[error.phase]
    case 'own-limit':
      return 'not asked: too many fetches were under way here'
    case 'aborted':
      return 'not asked to the end: we ended it'
    case 'policy-host-name':
      return 'its name would be too long'
    case 'status':
      return statusWords(error.status)
    case 'media-type':
      return error.mediaType === undefined
        ? 'its answer has no media type'
        : bounded(`its answer has the media type ${error.mediaType}`)
    case 'policy-invalid':
      return policyErrorWords(error.error)
    case 'elsewhere':
      return `another relay that shares our cache could not have it (${error.report.failureReasonCode})`
    default:
      return assertNever(error)
  }
}

export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400
}

function statusWords(status: number): string {
  return isRedirect(status) ? `it redirects (status ${status})` : `it answers with status ${status}`
}

export function policyErrorWords(error: PolicyFileError): string {
  switch (error.kind) {
    case 'byte-order-mark':
      return 'the policy begins with a byte order mark'
    case 'not-utf8':
      return 'the policy is not UTF-8'
    case 'control-character':
      return `line ${error.line} of the policy holds a control character`
    case 'malformed-line':
      return `line ${error.line} of the policy is not "name: value"`
    case 'missing-field':
      return `the policy has no ${error.field}`
    case 'invalid-version':
      return bounded(`the policy has the version "${error.value}", not STSv1`)
    case 'invalid-mode':
      return bounded(`the policy has the mode "${error.value}", not enforce, testing or none`)
    case 'invalid-max-age':
      return bounded(`the policy has the max_age "${error.value}", which is no number of at most ten digits`)
    case 'invalid-mx':
      return bounded(`the policy has the mx "${error.value}", which is no host name and no wildcard like *.example.com`)
    default:
      return assertNever(error)
  }
}
