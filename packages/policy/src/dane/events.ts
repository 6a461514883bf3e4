/** What happens to the protection that DANE gives, as far as an operator wants to see or count it. */
import type { DnsFailureReason } from '../dns/answer.ts'
import type { DaneFailure, NoDaneBecause } from './facts.ts'

export type DaneEvent =
  /** What DNS said of one host; once for each time that it was asked. */
  | {
      readonly event: 'dane-looked-up'
      readonly host: string
      readonly port: number
      readonly result: DaneResult
    }
  /** A host that had usable TLSA records has none at all: nothing is demanded of it any more. */
  | {
      readonly event: 'dane-tlsa-vanished'
      readonly host: string
      readonly port: number
      readonly lastSeenAt: number
    }
  /** It has TLSA records still, but none that we can use: any certificate is as good as its own. */
  | {
      readonly event: 'dane-tlsa-unusable'
      readonly host: string
      readonly port: number
      readonly records: number
      readonly lastSeenAt: number
    }
  /** Its addresses or TLSA records are not signed any more, so that TLSA records do not count. */
  | {
      readonly event: 'dane-zone-unsigned'
      readonly host: string
      readonly port: number
      readonly because: 'insecure-address' | 'insecure-tlsa'
      readonly lastSeenAt: number
    }
  /** The MX answer of a domain is not signed any more: its hosts prove themselves, but not that they are the domain's. */
  | { readonly event: 'dane-mx-unsigned'; readonly nextHop: string; readonly lastSeenAt: number }
  /** Once: mail to a host with TLSA records waits, because DNS cannot say what they are now. */
  | {
      readonly event: 'dane-validation-lost'
      readonly host: string
      readonly port: number
      readonly lookup: DaneFailure['lookup']
      readonly name: string
      readonly reason: DnsFailureReason
      readonly failures: number
      readonly lastSeenAt: number
    }
  /** After `dane-validation-lost`: DNS knows again, whatever it says. */
  | {
      readonly event: 'dane-validation-restored'
      readonly host: string
      readonly port: number
      readonly failures: number
    }
  /** A loss may go unnoticed; what DANE demands is not touched. */
  | { readonly event: 'dane-memory-failed'; readonly detail: string }

export type DaneResult = 'usable' | 'unusable' | NoDaneBecause | `${DaneFailure['lookup']}-failed`
