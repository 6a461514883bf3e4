/**
 * What a route says: whose mail it means, and where that mail goes. Pure. Which of several routes counts is chosen in
 * `route-choice.ts`, and what follows for a mail is in `routing.ts`.
 */
import type { DomainName, HostDemand } from '@hermetic/policy'
import type { Credentials } from '../smtp/auth.ts'
import type { MailAddress, ReversePath } from '../smtp/mail-address.ts'
import type { LaneId, RouteLane } from './lane.ts'

/** Mail to which domains; `below` means every domain under the name and not the name itself. */
export type RouteDomain =
  | { readonly kind: 'exact'; readonly name: DomainName }
  | { readonly kind: 'below'; readonly name: DomainName }
  /** Address literals too. */
  | { readonly kind: 'any' }

/** Mail from whom, by the reverse-path. */
export type RouteSender =
  /** The local part in any case: whoever writes a route means the mailbox. */
  | { readonly kind: 'address'; readonly address: MailAddress }
  | { readonly kind: 'exact'; readonly name: DomainName }
  | { readonly kind: 'below'; readonly name: DomainName }
  /** `<>`: notifications. */
  | { readonly kind: 'null' }
  | { readonly kind: 'any' }

/** All of it must hold. */
export interface RouteCriteria {
  readonly domain: RouteDomain
  readonly sender: RouteSender
  /** Absent: whatever tag, or none. */
  readonly tag?: string
  /** From this attempt on; the first one is 1. */
  readonly fromAttempt: number
}

export interface Route extends RouteCriteria {
  readonly to: RouteTarget
  /** When it is for what did not get through the usual way; absent: it is the usual way. */
  readonly fallback?: FallbackUse
}

export type RouteTarget =
  | { readonly kind: 'smarthost'; readonly lane: RouteLane; readonly access: RouteAccess }
  /** As without a route, from another pool perhaps. */
  | { readonly kind: 'mail-exchangers'; readonly pool?: string }

/** After what a fallback is used; a policy failure is one only where the operator says so (STS-111). */
export type FallbackUse = 'unreachable' | 'unreachable-or-policy'

/** How mail is handed to a smarthost. */
export interface RouteAccess {
  /** `opportunistic` demands nothing of the host, and never goes with credentials (TLS-22). */
  readonly tls: 'starttls' | 'implicit' | 'opportunistic'
  readonly credentials?: Credentials
}

/** Tokens come and go: a login with one is the same as long as it comes from the same place. */
export function isSameAccess(one: RouteAccess | undefined, other: RouteAccess | undefined): boolean {
  if (one === other) return true
  return one?.tls === other?.tls && isSameLogin(one?.credentials, other?.credentials)
}

function isSameLogin(one: Credentials | undefined, other: Credentials | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  if (one.username !== other.username || one.mechanism !== other.mechanism) return false
  if ('tokens' in one || 'tokens' in other) return 'tokens' in one && 'tokens' in other && one.tokens === other.tokens
  return one.password.reveal() === other.password.reveal()
}

/** What routes look at. */
export interface RoutedMail {
  readonly recipient: MailAddress
  readonly sender: ReversePath
  readonly tag?: string | undefined
  /** The one that is to come: 1, when there was none. */
  readonly attempt: number
  /** The lane of a route that an operator chose for this mail (`reroute.ts`). */
  readonly via?: LaneId | undefined
}

/**
 * What a route demands of its smarthost: the operator wrote the name, so that the certificate must prove it (RFC 4954
 * §14, RFC 7817 §3, TLSA records: RFC 8314 §5.3), unless the route says that nothing is demanded.
 */
export function routeDemand({ tls }: Pick<RouteAccess, 'tls'>): HostDemand {
  return tls === 'opportunistic' ? 'nothing' : 'proven-host'
}
