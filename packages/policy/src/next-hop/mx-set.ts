/**
 * Which hosts of an MX answer may take the mail, and in which order (RFC 5321 §5.1, RFC 7505, RFC 2181 §10.3).
 *
 * Order: lowest preference first, equals shuffled. Our own names cut the list; `self.ts` does the same for our own
 * addresses once they are known. Pure: chance is an argument.
 */
import type { MxRecord } from '../dns/resolver.ts'
import type { DomainName } from '../domain-name.ts'

export interface MxHost {
  readonly mxHostname: DomainName
  readonly preference: number
}

export type MxSet =
  | {
      readonly kind: 'hosts'
      readonly hosts: readonly [MxHost, ...MxHost[]]
      /** How many more were published, none of them better. */
      readonly omitted?: number
    }
  /** RFC 7505: the domain takes no mail. */
  | { readonly kind: 'null-mx' }
  /** Every exchange is something that is not a hostname. */
  | { readonly kind: 'no-usable-mx' }
  /** We are the best host, or the only one. */
  | { readonly kind: 'mail-loop'; readonly name: DomainName }

export interface Self {
  /** Every name under which mail reaches us: EHLO name and aliases. */
  readonly names: readonly DomainName[]
}

/** Uniform in [0, 1). */
export type Random = () => number

/** Real domains publish a handful; longer lists only buy work for the one who asks. */
export const MAX_MX_HOSTS = 32

export function orderMxSet(
  records: readonly [MxRecord, ...MxRecord[]],
  { self, random }: { readonly self: Self; readonly random: Random },
): MxSet {
  // RFC 7505 §3 wants preference 0 and no other record; a lone `.` of another preference can mean nothing else.
  if (records.every(({ exchange }) => exchange === '.')) return { kind: 'null-mx' }
  const hosts = best(records.flatMap(({ preference, exchange }) => usable(preference, exchange)))
  const sorted = shuffled(hosts, random).sort((a, b) => a.preference - b.preference)
  // RFC 5321 §5.1: our own preference level and everything worse is dropped.
  const own = sorted.find(({ mxHostname }) => self.names.includes(mxHostname))
  const [first, ...rest] = own === undefined ? sorted : sorted.filter((host) => host.preference < own.preference)
  if (first !== undefined) return { kind: 'hosts', ...cut(first, rest) }
  return own === undefined ? { kind: 'no-usable-mx' } : { kind: 'mail-loop', name: own.mxHostname }
}

function cut(first: MxHost, rest: readonly MxHost[]) {
  const kept = rest.slice(0, MAX_MX_HOSTS - 1)
  const omitted = rest.length - kept.length
  return { hosts: [first, ...kept] as const, ...(omitted === 0 ? {} : { omitted }) }
}

function usable(preference: number, exchange: MxRecord['exchange']): readonly MxHost[] {
  return exchange === undefined || exchange === '.' ? [] : [{ mxHostname: exchange, preference }]
}

/** A host that is listed twice counts at its better preference. */
function best(hosts: readonly MxHost[]): readonly MxHost[] {
  const byName = new Map<DomainName, MxHost>()
  for (const host of hosts) {
    const known = byName.get(host.mxHostname)
    if (known === undefined || host.preference < known.preference) byName.set(host.mxHostname, host)
  }
  return [...byName.values()]
}

/** Fisher and Yates; the sort after it is stable, so equals keep this order. */
function shuffled(hosts: readonly MxHost[], random: Random): MxHost[] {
  const result = [...hosts]
  for (let index = result.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1))
    const [a, b] = [result[index], result[other]]
    if (a === undefined || b === undefined) continue
    result[index] = b
    result[other] = a
  }
  return result
}
