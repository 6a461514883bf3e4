/**
 * Why an HTTPS exchange with a host chosen by a stranger gave no response, as facts.
 *
 * Codes of Node, OpenSSL and llhttp are kept for people; `kind` alone decides. What a status or a media type means is
 * known by the rooms that asked for the document. Pure.
 */
import type { DnsFailureReason } from '../dns/answer.ts'
import type { RefusedAddress } from '../next-hop/addresses.ts'
import type { PeerFacts } from '../peer-facts.ts'
import { assertNever, invariant } from '../result.ts'
import type { TlsFailure } from '../tls-failure.ts'

export type HttpsFailure =
  /** No address is known, and DNS could not be asked. */
  | { readonly kind: 'dns'; readonly reason: DnsFailureReason }
  /** DNS says that there is no address. */
  | { readonly kind: 'no-address'; readonly reason: 'nxdomain' | 'nodata' }
  /** There are addresses, and the guard refused all of them: nothing was dialled. */
  | { readonly kind: 'address-refused'; readonly refused: readonly RefusedAddress[] }
  /** The system's code, e.g. ECONNREFUSED. */
  | { readonly kind: 'connect'; readonly address: string; readonly code: string }
  | { readonly kind: 'tls'; readonly address: string; readonly failure: TlsFailure }
  /** The certificate does not prove the host: nothing was asked. */
  | {
      readonly kind: 'webpki'
      readonly address: string
      readonly reason: WebpkiReason
      /** OpenSSL's verification code; absent when only the name is wrong. */
      readonly code?: string
      readonly peer: PeerFacts
    }
  /** The connection ended before the response did. */
  | { readonly kind: 'truncated'; readonly address: string; readonly code: string }
  /** What came is no HTTP/1.1 response that we accept; llhttp's code or one of `MalformedCode`. */
  | { readonly kind: 'malformed'; readonly address: string; readonly code: string }
  /** A content coding, although only `identity` was asked for. */
  | { readonly kind: 'content-encoding'; readonly address: string }
  | { readonly kind: 'too-large'; readonly address: string; readonly limitBytes: number }
  | { readonly kind: 'timeout'; readonly phase: HttpsPhase }
  /**
   * Our own limits gave it no turn before the deadline, which says nothing about the host. A stranger can bring this
   * about by pointing many names at one address, so it must never count as "no policy can be had".
   */
  | { readonly kind: 'own-limit' }
  /** The caller's signal. */
  | { readonly kind: 'aborted' }

/** `expired`: now is outside of the dates of a certificate in the chain, on either side. */
export type WebpkiReason = 'untrusted' | 'expired' | 'name'

export type HttpsPhase = 'dns' | 'connect' | 'tls' | 'response' | 'body'

/** Of several addresses that gave nothing: the first failure among those that got farthest. */
export function mostTelling(failures: readonly HttpsFailure[]): HttpsFailure {
  const [first, ...more] = failures
  invariant(first !== undefined, 'an address was tried')
  return more.reduce((best, failure) => (distance(failure) > distance(best) ? failure : best), first)
}

const PHASE_DISTANCE = { dns: 0, connect: 1, tls: 2, response: 4, body: 5 } as const satisfies Record<
  HttpsPhase,
  number
>

function distance(failure: HttpsFailure): number {
  switch (failure.kind) {
    case 'timeout':
      return PHASE_DISTANCE[failure.phase]
    case 'dns':
    case 'no-address':
    case 'address-refused':
    case 'own-limit':
    case 'aborted':
      return 0
    case 'connect':
      return PHASE_DISTANCE.connect
    case 'tls':
      return PHASE_DISTANCE.tls
    case 'webpki':
      return 3
    case 'truncated':
    case 'malformed':
    case 'content-encoding':
    case 'too-large':
      return PHASE_DISTANCE.body
    default:
      return assertNever(failure)
  }
}
