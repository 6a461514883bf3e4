/** What Postfix can be told, and the reason for it that operators read; closed lists. */
import type { NextHop } from '../next-hop/resolve.ts'
import type { UnreachableReason } from '../requirement.ts'

/** Of smtp_tls_security_level (postconf(5)). */
export type PostfixLevel = 'may' | 'encrypt' | 'dane' | 'dane-only' | 'secure'

export type LevelBecause =
  | 'tlsa-of-every-host'
  /** TLSA of some hosts, and of the others more is demanded than Postfix would demand with `dane`. */
  | 'tlsa-and-more'
  | 'tlsa-of-some-hosts'
  | 'tlsa-unusable'
  | 'dane-required'
  /** Some TLSA lookups fail: Postfix asks for itself, host by host. */
  | 'tlsa-lookups-fail'
  | 'pkix'
  /** TLSA behind an insecure MX would not show that a host is one of the domain; PKIX under the policy does. */
  | 'pkix-before-insecure-mx'
  | 'encrypted'
  /** No host is one of the policy: told as a failure, so that it is reported. */
  | 'sts-mx-mismatch'
  | 'testing'
  | 'observed'
  | 'waived'

export type NothingBecause = 'parent' | 'address' | 'path' | 'nothing-demanded' | NobodyBecause

/** Why there is no host of whom anything could be demanded. */
export type NobodyBecause = Exclude<NextHop['kind'], 'hosts'> | 'no-address'

export type TemporaryBecause =
  | 'policy-unavailable'
  | 'policy-uncertain'
  | 'mx-lookup-failed'
  /** Something is demanded of the domain, and there is nobody of whom to demand it. */
  | 'no-host'
  | UnreachableReason['kind']
  | 'busy'
  | 'too-slow'
  | 'stopping'
  | 'defect'

export type PermanentBecause = 'malformed-request' | 'malformed-next-hop' | 'unknown-name'
