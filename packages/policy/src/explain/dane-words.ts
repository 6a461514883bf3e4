/** Why a certificate is not what the TLSA records of its host mean (RFC 7671 §5, RFC 7672 §3), in words. Pure. */
import type { DaneReason } from '../dane/facts.ts'
import { assertNever } from '../result.ts'
import { bounded } from './plain.ts'

export function daneReasonWords(reason: DaneReason): string {
  switch (reason.kind) {
    case 'no-tlsa-match':
      return 'no certificate that it shows is what the TLSA records say'
    case 'path-invalid':
      return bounded(`the chain to the certificate that a TLSA record means does not hold (${reason.code})`)
    case 'certificate-expired':
      return `${certificate(reason.depth)} has expired, under a TLSA record that does not forgive it`
    case 'certificate-not-yet-valid':
      return `${certificate(reason.depth)} is not valid yet`
    case 'name-mismatch':
      return bounded(`the certificate is for none of the names that DANE allows: ${reason.names.join(', ')}`)
    default:
      return assertNever(reason)
  }
}

function certificate(depth: number): string {
  return depth === 0 ? 'the certificate' : `certificate ${depth} of the chain`
}
