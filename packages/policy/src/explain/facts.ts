/**
 * What an explanation is made of: everything that was found out about one destination, and every decision that
 * delivery takes by it. Gathered by the relay; nothing here is decided or put into words.
 *
 * Decisions come as values (`Requirement`, `Verdict`, `SessionResult`), made by the functions that delivery calls: an
 * explanation that decided by itself could tell another story than the mail.
 */
import type { DaneFacts } from '../dane/facts.ts'
import type { DnsAnswer } from '../dns/answer.ts'
import type { DomainName } from '../domain-name.ts'
import type { HttpsFailure } from '../egress/https-failure.ts'
import type { PolicyFetchError } from '../mta-sts/fetch-error.ts'
import type { StsPolicy } from '../mta-sts/policy-file.ts'
import type { StsFacts } from '../mta-sts/source-facts.ts'
import type { HostAddresses } from '../next-hop/addresses.ts'
import type { NextHop } from '../next-hop/resolve.ts'
import type { PolicyOverride } from '../override.ts'
import type { PeerFacts } from '../peer-facts.ts'
import type { StoredPolicy } from '../ports/policy-cache.ts'
import type { PreloadEntry } from '../preload.ts'
import type { Enforcement, Requirement } from '../requirement.ts'
import type { SessionResult } from '../session-result.ts'
import type { Channel, Verdict } from '../verdict.ts'
import type { LimitSection } from './explanation.ts'

export interface ExplainFacts {
  /** UTC milliseconds, like every time here. */
  readonly at: number
  /** Whose cache, resolver and place in the network these facts come from. */
  readonly by: 'relay' | 'command-line'
  /** The hosts were connected to. */
  readonly connected: boolean
  readonly destination: Destination
  readonly route: RouteFacts
  /** Which settings lead there; absent: nobody tells. */
  readonly routing?: RoutingFacts
  readonly sts: StsEvidence
  readonly hosts: readonly HostFacts[]
  /** Absent: the destination has no domain. */
  readonly local?: LocalFacts
  /** Absent: there is nothing to tell. */
  readonly limits?: LimitSection
}

/** What our own settings say of the domain whose policies count. */
export interface LocalFacts {
  /** Those that mean the domain, expired ones too. */
  readonly overrides: readonly PolicyOverride[]
  /** As it holds for the domain. */
  readonly enforcement: Enforcement
  /** The entry of the domain; `inForce`: it is what counts now. */
  readonly preload?: {
    readonly entry: PreloadEntry
    readonly expiresAt: number | undefined
    readonly inForce: boolean
  }
}

/** A domain, or an address in brackets, which has neither MX nor policies. */
export type Destination =
  | { readonly kind: 'domain'; readonly name: DomainName }
  | { readonly kind: 'literal'; readonly text: string }

/** In words of the operator's settings. */
export interface RoutingFacts {
  readonly because?: string
  readonly fallback?: string
  readonly others: readonly string[]
}

/** Where its mail goes. */
export type RouteFacts =
  /** `answer` is undefined when the lookup did not end in time. */
  | {
      readonly kind: 'mx'
      readonly lane: string
      readonly domain: DomainName
      readonly answer: NextHop | undefined
      readonly end: RouteEnd
    }
  | { readonly kind: 'literal'; readonly lane: string; readonly end: RouteEnd }
  /** The operator sends it to a relay of their own choice: policies of the recipient's domain are not consulted (RFC 8461 §3.4). */
  | { readonly kind: 'smarthost'; readonly lane: string; readonly host: string; readonly end: RouteEnd }

export type RouteEnd =
  /** There are hosts to try. */
  | { readonly kind: 'hosts' }
  | ({ readonly kind: 'nobody' } & Obstacle)
  | { readonly kind: 'unanswered'; readonly afterMs: number }

/** Why nobody, or a host not, can be dialled, as delivery judges it. */
export interface Obstacle {
  /** Of a closed list: `null-mx`, `dns-failure`, `policy-unavailable`. */
  readonly cause: string
  /** The cause with what tells most about it. */
  readonly detail: string
  /** RFC 3463. */
  readonly status: string
  readonly permanence: 'transient' | 'permanent'
}

export type StsEvidence =
  /** `off`: by our configuration; `address`: the destination has no domain; `smarthost`: another domain's counts. */
  { readonly kind: 'not-consulted'; readonly because: 'off' | 'address' | 'smarthost' } | StsLookups

export interface StsLookups {
  readonly kind: 'consulted'
  /** The domain of the destination; behind a route, the name of the smarthost (RFC 8461 §3.4). */
  readonly policyDomain: DomainName
  /** What delivery goes by; undefined when it did not come in time. */
  readonly facts: StsFacts | undefined
  /** As stored before anybody asked. */
  readonly cached: StoredPolicy | 'unavailable' | undefined
  /** The TXT records as published; undefined when they were not asked for. */
  readonly txt: DnsAnswer<readonly string[]> | undefined
  readonly policyHost: PolicyHostEvidence
}

/** What the policy host serves now, whatever is cached. */
export type PolicyHostEvidence =
  | {
      readonly kind: 'served'
      readonly at: number
      readonly policy: StsPolicy
      readonly address: string
      readonly peer: PeerFacts
      /** Addresses that came first and gave nothing. */
      readonly passedOver: readonly HttpsFailure[]
    }
  | { readonly kind: 'failed'; readonly at: number; readonly error: PolicyFetchError }
  /** `nothing-announced`: no record and no cached policy. `deadline`: we did not wait longer. */
  | { readonly kind: 'not-asked'; readonly because: 'nothing-announced' | 'deadline' }

export interface HostFacts {
  /** As published; an address in brackets for literals. */
  readonly name: string
  readonly preference: number | undefined
  /** No MX was published: the domain stands for itself. */
  readonly implicit: boolean
  /** Undefined when they were not asked for. */
  readonly addresses: HostAddresses | undefined
  readonly place: HostPlace
}

export type HostPlace =
  | {
      readonly kind: 'candidate'
      readonly requirement: Requirement
      /** Absent: DANE was not looked at. */
      readonly dane?: DaneFacts | undefined
      /** In the order of dialling, cut at what delivery tries of one host. */
      readonly dialled: readonly string[]
      readonly sessions: readonly SessionFacts[]
    }
  | ({ readonly kind: 'unusable' } & Obstacle)
  /** We are among the better hosts: this one is never ours to use (RFC 5321 §5.1). */
  | { readonly kind: 'behind-ourselves' }
  | { readonly kind: 'unanswered' }

/** With `--connect`: one for each address that is dialled. */
export type SessionFacts = {
  readonly address: string
} & (
  | {
      readonly kind: 'judged'
      readonly channel: Channel
      readonly verdict: Verdict
      readonly results: readonly SessionResult[]
      /** What went wrong afterwards: mail would not have been taken here. */
      readonly trouble?: Obstacle
    }
  /** It never came to a channel that could be judged. */
  | { readonly kind: 'no-channel'; readonly obstacle: Obstacle }
  /** `limit`: enough addresses were tried; `deadline`: the time was over. */
  | { readonly kind: 'not-tried'; readonly because: 'limit' | 'deadline' }
)
