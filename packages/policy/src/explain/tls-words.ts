/** How TLS failed, and why a certificate is not trusted, in words for people. Pure. */
import { assertNever } from '../result.ts'
import type { TlsFailure } from '../tls-failure.ts'
import { bounded } from './plain.ts'

export function tlsFailureWords(failure: TlsFailure): string {
  switch (failure.kind) {
    case 'alert':
      return bounded(`the server ends it with the alert ${failure.alert}`)
    case 'reset':
      return `the connection breaks (${failure.code})`
    case 'closed':
      return 'the server closes the connection'
    case 'timeout':
      return 'it does not end in time'
    case 'aborted':
      return 'we ended it'
    case 'not-tls':
      return 'what comes back is not TLS'
    case 'protocol-version':
      return 'the server has only versions older than TLS 1.2'
    case 'no-certificate':
      return 'the server shows no certificate'
    case 'other':
      return bounded(failure.code)
    default:
      return assertNever(failure)
  }
}

/** OpenSSL's codes in words; what is not here is said by its code. */
const TRUST: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its root is not one that is trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'an issuer is missing',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its issuer is unknown, or an intermediate certificate is missing',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its issuer is unknown, or an intermediate certificate is missing',
  INVALID_PURPOSE: 'it is not meant for servers',
}

export function trustWords(code: string): string {
  const words = Object.hasOwn(TRUST, code) ? TRUST[code] : undefined
  return words === undefined ? bounded(code) : `${words} (${code})`
}
