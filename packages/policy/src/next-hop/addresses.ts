/**
 * From a host to the addresses to dial, in order (RFC 5321 §5.1, RFC 8305 §4): families interleaved, each address
 * judged by the guard that the caller brings.
 *
 * The families are asked at the same time and may fail apart: one that answers is used, the failure of the other is
 * kept. Knows nothing of what special addresses are, nor of connections.
 */
import type { DnsAnswer, DnsFailureReason } from '../dns/answer.ts'
import type { DnsResolver } from '../dns/resolver.ts'
import type { DomainName, OwnerName } from '../domain-name.ts'
import type { AddressJudgement, RefusalReason } from '../egress/address-guard.ts'

export type HostAddresses =
  | {
      readonly kind: 'addresses'
      /** In the order in which they are to be dialled; empty when the guard refused all. */
      readonly allowed: readonly HostAddress[]
      readonly refused: readonly RefusedAddress[]
      /** Every family that has addresses was validated. */
      readonly secure: boolean
      /** The host after CNAMEs (RFC 7672 §2.2.2). */
      readonly canonicalName: OwnerName
      readonly ttlSeconds: number
      /** The other family could not be asked. */
      readonly incomplete?: FailedLookup
    }
  /** Neither family: the name does not exist (`nxdomain`) or has no addresses. */
  | {
      readonly kind: 'absent'
      readonly reason: 'nxdomain' | 'nodata'
      readonly secure: boolean
      readonly ttlSeconds: number
    }
  /** No address is known, and at least one family could not be asked. */
  | {
      readonly kind: 'failure'
      readonly lookup: 'address'
      readonly name: DomainName
      readonly reason: DnsFailureReason
    }

export interface HostAddress {
  readonly address: string
  readonly family: 4 | 6
}

export interface RefusedAddress extends HostAddress {
  readonly reason: RefusalReason
}

export interface FailedLookup {
  readonly family: 4 | 6
  readonly reason: DnsFailureReason
}

export interface AddressQuestion {
  readonly resolver: Pick<DnsResolver, 'address'>
  readonly host: DomainName
  readonly guard: (address: string) => AddressJudgement
  /** Whose address comes first. */
  readonly preferFamily: 4 | 6
}

/** Per host; more would only lengthen the time until the next host is tried. */
export const MAX_HOST_ADDRESSES = 16

export async function resolveAddresses({
  resolver,
  host,
  guard,
  preferFamily,
}: AddressQuestion): Promise<HostAddresses> {
  const other = preferFamily === 6 ? 4 : 6
  const [preferred, second] = await Promise.all([resolver.address(host, preferFamily), resolver.address(host, other)])
  const inOrder = interleave(tagged(preferred, preferFamily), tagged(second, other)).slice(0, MAX_HOST_ADDRESSES)
  const answers = [preferred, second]
  const [found, ...more] = answers.filter((answer) => answer.kind === 'records')
  if (found === undefined) return withoutAddresses(host, answers)
  const failed = failedLookup(preferred, preferFamily) ?? failedLookup(second, other)
  return {
    kind: 'addresses',
    ...judged(inOrder, guard),
    secure: [found, ...more].every(({ secure }) => secure),
    canonicalName: found.canonicalName,
    ttlSeconds: leastTtl(answers),
    ...(failed === undefined ? {} : { incomplete: failed }),
  }
}

function withoutAddresses(host: DomainName, answers: readonly DnsAnswer<string>[]): HostAddresses {
  const failure = answers.find((answer) => answer.kind === 'failure')
  if (failure !== undefined) return { kind: 'failure', lookup: 'address', name: host, reason: failure.reason }
  const absences = answers.filter((answer) => answer.kind === 'absent')
  return {
    kind: 'absent',
    reason: absences.every(({ reason }) => reason === 'nxdomain') ? 'nxdomain' : 'nodata',
    secure: absences.every(({ secure }) => secure),
    ttlSeconds: leastTtl(answers),
  }
}

function judged(
  addresses: readonly HostAddress[],
  guard: AddressQuestion['guard'],
): { readonly allowed: readonly HostAddress[]; readonly refused: readonly RefusedAddress[] } {
  const allowed: HostAddress[] = []
  const refused: RefusedAddress[] = []
  for (const candidate of addresses) {
    const judgement = guard(candidate.address)
    if (judgement.kind === 'allowed') allowed.push(candidate)
    else refused.push({ ...candidate, reason: judgement.reason })
  }
  return { allowed, refused }
}

function tagged(answer: DnsAnswer<string>, family: 4 | 6): readonly HostAddress[] {
  return answer.kind === 'records' ? [...new Set(answer.records)].map((address) => ({ address, family })) : []
}

function failedLookup(answer: DnsAnswer<string>, family: 4 | 6): FailedLookup | undefined {
  return answer.kind === 'failure' ? { family, reason: answer.reason } : undefined
}

/** One of each in turn, within a family in the resolver's order. */
function interleave<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  const longest = Math.max(first.length, second.length)
  return Array.from({ length: longest }, (_, index) => [
    ...first.slice(index, index + 1),
    ...second.slice(index, index + 1),
  ]).flat()
}

function leastTtl(answers: readonly DnsAnswer<string>[]): number {
  return Math.min(
    ...answers.map((answer) => (answer.kind === 'failure' ? Number.POSITIVE_INFINITY : answer.ttlSeconds)),
  )
}
