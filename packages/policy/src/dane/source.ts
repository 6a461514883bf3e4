/**
 * Asks DNS what DANE says about one host (RFC 7672 §2.2.2, §2.2.3). The caller has its addresses already, for they come
 * before everything else: name servers of unsigned zones are known that drop TLSA questions.
 *
 * An error at any step is a failure of the whole: it never leads to the next candidate nor to opportunistic TLS (RFC
 * 7672 §2.1.2). What the facts demand is decided in `requirement.ts`. Answers are cached by the resolver, for their
 * TTL and no longer (RFC 6698 §8.2).
 */
import type { DnsFailureReason } from '../dns/answer.ts'
import type { DnsResolver, TlsaRecordData } from '../dns/resolver.ts'
import { type DomainName, type OwnerName, ownerName } from '../domain-name.ts'
import type { HostAddresses } from '../next-hop/addresses.ts'
import { assertNever, invariant } from '../result.ts'
import { type AddressStatus, type BaseDomains, candidateBaseDomains } from './base-domain.ts'
import { DEFAULT_DIGESTS, digestAgility } from './digest-agility.ts'
import type { DaneAbsent, DaneFacts, DaneFailure, NoDaneBecause, TlsaFacts } from './facts.ts'
import { type HostOrigin, referenceNames } from './reference-names.ts'
import { type TlsaDigest, usableTlsa } from './tlsa-record.ts'
import type { DaneWatch } from './watch.ts'

export interface DaneOptions {
  readonly resolver: Pick<DnsResolver, 'cname' | 'tlsa'>
  /** What to make of TLSA records of hosts that an insecure MX RRset names (D-8). */
  readonly insecureMx: 'use' | 'ignore'
  /** Strongest first; what is not listed is unusable (RFC 7671 §9). */
  readonly digests?: readonly TlsaDigest[]
}

export interface DaneQuestion {
  /** As the MX record or the route names it; for an implicit MX the next-hop domain after CNAMEs. */
  readonly host: DomainName
  readonly port: number
  readonly origin: HostOrigin
  /** Of `host`. */
  readonly addresses: HostAddresses
}

/** Real hosts publish a handful. A larger RRset makes its host unreachable: weighing a part of it would be chance. */
export const MAX_TLSA_RECORDS = 100
/** Ten certificates of the largest kind in use. */
export const MAX_TLSA_OCTETS = 32 * 1024
/** For what no answer said, or what cannot change. */
const LONG_SECONDS = 86_400

export function noDane(because: NoDaneBecause, ttlSeconds = LONG_SECONDS): DaneAbsent {
  return { kind: 'none', because, ttlSeconds }
}

export interface DaneSource {
  factsFor(question: DaneQuestion): Promise<DaneFacts>
}

/** With a watch, what is found is compared with what was found before. */
export function createDaneSource(options: DaneOptions & { readonly watch?: Pick<DaneWatch, 'observe'> }): DaneSource {
  return {
    async factsFor(question) {
      const facts = await daneFactsFor(question, options)
      await options.watch?.observe(question, facts)
      return facts
    },
  }
}

export async function daneFactsFor(question: DaneQuestion, options: DaneOptions): Promise<DaneFacts> {
  const { origin, addresses } = question
  if (options.insecureMx === 'ignore' && !isSecure(origin)) return noDane('insecure-mx')
  if (addresses.kind === 'failure') return failure('address', addresses.name, addresses.reason)
  if (addresses.kind === 'absent') return noDane('no-address', addresses.ttlSeconds)
  const status = addressStatus(question, addresses)
  const bases = await baseDomains(status, options.resolver)
  switch (bases.kind) {
    case 'failure':
      return bases
    case 'insecure':
      return noDane('insecure-address', Math.min(addresses.ttlSeconds, bases.ttlSeconds))
    case 'candidates': {
      const ttlSeconds = Math.min(addresses.ttlSeconds, bases.ttlSeconds)
      return firstSecureTlsa({ question, options, name: status.name, names: bases.names, ttlSeconds })
    }
    default:
      return assertNever(bases)
  }
}

function isSecure(origin: HostOrigin): boolean {
  return origin.kind === 'route' || origin.secure
}

/**
 * A domain that stands for itself is asked for by its own name (RFC 7672 §2.2.2): when it is an alias, the MX question
 * has followed it to `host` and said how secure that way is.
 */
function addressStatus(
  { host, origin }: DaneQuestion,
  { canonicalName, secure }: { readonly canonicalName: OwnerName; readonly secure: boolean },
): AddressStatus {
  if (origin.kind !== 'implicit-mx' || origin.nextHop === host) return { name: host, canonicalName, secure }
  return { name: origin.nextHop, canonicalName, secure: secure && origin.secure }
}

type FoundBases = Exclude<BaseDomains, { readonly kind: 'ask-first-alias' }> & { readonly ttlSeconds: number }

async function baseDomains(
  status: AddressStatus,
  resolver: DaneOptions['resolver'],
): Promise<FoundBases | DaneFailure> {
  const bases = candidateBaseDomains(status)
  if (bases.kind !== 'ask-first-alias') return { ...bases, ttlSeconds: LONG_SECONDS }
  const alias = await resolver.cname(status.name)
  if (alias.kind === 'failure') return failure('cname', status.name, alias.reason)
  // An absence is signed by the same zone as the alias would be.
  const known = candidateBaseDomains({ ...status, firstAliasSecure: alias.secure })
  invariant(known.kind !== 'ask-first-alias', 'asked once')
  return { ...known, ttlSeconds: alias.ttlSeconds }
}

interface TlsaSearch {
  readonly question: DaneQuestion
  readonly options: DaneOptions
  /** The unexpanded name. */
  readonly name: DomainName
  readonly names: readonly DomainName[]
  /** Least so far. */
  readonly ttlSeconds: number
}

/** RFC 7672 §2.2.3: the first candidate with a secure RRset counts, even when none of its records is usable. */
async function firstSecureTlsa({ question, options, name, names, ttlSeconds }: TlsaSearch): Promise<DaneFacts> {
  let because: 'no-tlsa' | 'insecure-tlsa' = 'no-tlsa'
  let leastTtl = ttlSeconds
  for (const baseDomain of names) {
    const owner = ownerName([`_${question.port}`, '_tcp'], baseDomain)
    // Too long for DNS: nobody can have published it.
    if (!owner.ok) continue
    const answer = await options.resolver.tlsa(owner.value)
    if (answer.kind === 'failure') return failure('tlsa', owner.value, answer.reason)
    leastTtl = Math.min(leastTtl, answer.ttlSeconds)
    if (answer.kind === 'records' && answer.secure) {
      const { origin } = question
      const found = { owner: owner.value, published: answer.records, ttlSeconds: leastTtl }
      return tlsaFacts({ ...found, baseDomain, name, origin, digests: options.digests ?? DEFAULT_DIGESTS })
    }
    if (answer.kind === 'records') because = 'insecure-tlsa'
  }
  return noDane(because, leastTtl)
}

interface SecureTlsa extends Pick<TlsaFacts, 'baseDomain' | 'owner' | 'published' | 'ttlSeconds'> {
  readonly name: DomainName
  readonly origin: HostOrigin
  readonly digests: readonly TlsaDigest[]
}

function tlsaFacts({ name, origin, digests, ...found }: SecureTlsa): TlsaFacts | DaneFailure {
  const { baseDomain, owner, published } = found
  if (isTooLarge(published)) return failure('tlsa', owner, { kind: 'malformed', detail: 'a TLSA RRset beyond measure' })
  const usable = published
    .map((record) => usableTlsa(record, { digests }))
    .flatMap((one) => (one.ok ? [one.value] : []))
  return {
    kind: 'tlsa',
    ...found,
    referenceNames: referenceNames({ origin, name, baseDomain }),
    mxSecure: isSecure(origin),
    usable: digestAgility(usable, digests),
  }
}

function isTooLarge(published: readonly TlsaRecordData[]): boolean {
  const octets = published.reduce((sum, { associationData }) => sum + associationData.length, 0)
  return published.length > MAX_TLSA_RECORDS || octets > MAX_TLSA_OCTETS
}

function failure(lookup: DaneFailure['lookup'], name: OwnerName, reason: DnsFailureReason): DaneFailure {
  return { kind: 'failure', lookup, name, reason }
}
