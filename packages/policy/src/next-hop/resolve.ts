/**
 * From a next-hop domain to the hosts that take its mail (RFC 5321 §5.1): the MX lookup and what each answer means.
 *
 * Does not ask for addresses (`addresses.ts`), so that a null MX costs one query. What becomes of the mail in each
 * case is decided by delivery.
 */
import type { DnsFailureReason } from '../dns/answer.ts'
import type { DnsResolver } from '../dns/resolver.ts'
import { type DomainName, type OwnerName, parseDomainName } from '../domain-name.ts'
import { assertNever } from '../result.ts'
import { orderMxSet, type Random, type Self } from './mx-set.ts'

export type NextHop =
  | {
      readonly kind: 'hosts'
      /** In the order in which they are to be tried. */
      readonly candidates: readonly [MxCandidate, ...MxCandidate[]]
      /** Hosts that were published beyond our limit: what the candidates say is not the word of all. */
      readonly omitted?: number
      /** The MX answer was validated; for an implicit MX, the proof that there is none. */
      readonly mxSecure: boolean
      /** The next-hop domain after CNAMEs (RFC 7672 §2.2.2). */
      readonly expandedNextHop: OwnerName
      readonly ttlSeconds: number
    }
  | { readonly kind: 'null-mx'; readonly ttlSeconds: number }
  /** NXDOMAIN, for the domain or for the end of its CNAME chain. */
  | { readonly kind: 'domain-not-found'; readonly name: OwnerName; readonly ttlSeconds: number }
  | { readonly kind: 'no-usable-mx'; readonly ttlSeconds: number }
  | { readonly kind: 'mail-loop'; readonly name: DomainName; readonly ttlSeconds: number }
  | { readonly kind: 'failure'; readonly lookup: 'mx'; readonly name: DomainName; readonly reason: DnsFailureReason }

export interface MxCandidate {
  readonly mxHostname: DomainName
  readonly preference: number
  /** No MX was published: the domain stands for itself. */
  readonly implicit: boolean
}

export interface NextHopQuestion {
  readonly resolver: Pick<DnsResolver, 'mx'>
  readonly domain: DomainName
  readonly self: Self
  readonly random: Random
}

export async function resolveNextHop({ resolver, domain, self, random }: NextHopQuestion): Promise<NextHop> {
  const answer = await resolver.mx(domain)
  switch (answer.kind) {
    case 'failure':
      return { kind: 'failure', lookup: 'mx', name: domain, reason: answer.reason }
    case 'absent':
      return answer.reason === 'nxdomain'
        ? { kind: 'domain-not-found', name: answer.canonicalName, ttlSeconds: answer.ttlSeconds }
        : implicitMx(domain, { self, answer })
    case 'records': {
      const { secure: mxSecure, canonicalName: expandedNextHop, ttlSeconds } = answer
      const set = orderMxSet(answer.records, { self, random })
      if (set.kind !== 'hosts') return { ...set, ttlSeconds }
      const [first, ...rest] = set.hosts
      const candidates = [published(first), ...rest.map(published)] as const
      const { omitted } = set
      return {
        ...HOSTS,
        candidates,
        mxSecure,
        expandedNextHop,
        ttlSeconds,
        ...(omitted === undefined ? {} : { omitted }),
      }
    }
    default:
      return assertNever(answer)
  }
}

const HOSTS = { kind: 'hosts' } as const

function published(host: { readonly mxHostname: DomainName; readonly preference: number }): MxCandidate {
  return { ...host, implicit: false }
}

/** RFC 5321 §5.1: preference 0, and after a CNAME the target name is processed as if it were the initial one. */
function implicitMx(
  domain: DomainName,
  {
    self,
    answer,
  }: {
    readonly self: Self
    readonly answer: { readonly canonicalName: OwnerName; readonly secure: boolean; readonly ttlSeconds: number }
  },
): NextHop {
  const { canonicalName: expandedNextHop, secure: mxSecure, ttlSeconds } = answer
  const expanded = parseDomainName(expandedNextHop)
  const mxHostname = expanded.ok ? expanded.value : domain
  if (self.names.includes(mxHostname) || self.names.includes(domain))
    return { kind: 'mail-loop', name: mxHostname, ttlSeconds }
  return {
    kind: 'hosts',
    candidates: [{ mxHostname, preference: 0, implicit: true }],
    mxSecure,
    expandedNextHop,
    ttlSeconds,
  }
}
