/**
 * What policies that were only observed would have refused, counted from the attempts of the history: by domain, with the
 * hosts and the reasons, beside all mail that was delivered. Counts of parts add up to the count of the whole. Pure.
 *
 * A refused host is not a refused message: had policies been enforced, another host of the domain might have taken it.
 */
import type { HistoryEntry } from './entry.ts'

export interface ObservedDomain {
  /** The next hop, whose policies count. */
  readonly domain: string
  /** Transactions in which at least one recipient was accepted. */
  readonly deliveries: number
  /** Of them, over sessions that enforcing would have refused. */
  readonly refused: number
  /** UTC milliseconds of the last such one. */
  readonly lastAt?: number
  /** A delivery counts for each of its reasons. */
  readonly reasons: readonly ObservedReason[]
  readonly hosts: readonly ObservedHost[]
}

export interface ObservedReason {
  readonly reason: string
  readonly refused: number
}

export interface ObservedHost {
  readonly mxHostname: string
  readonly deliveries: number
  readonly refused: number
}

interface Domain {
  deliveries: number
  refused: number
  lastAt: number | undefined
  readonly reasons: Map<string, number>
  readonly hosts: Map<string, { deliveries: number; refused: number }>
}

/** Policies are about mail exchangers; mail by routes is not looked at. */
const MX_LANE = 'mx:'

export class ObservedTally {
  readonly #domains = new Map<string, Domain>()

  add(entry: HistoryEntry): void {
    if (entry.kind !== 'attempt') return
    const { lane, nextHop, mxHostname, recipients } = entry.record
    if (recipients.delivered === 0 || !lane.startsWith(MX_LANE)) return
    const reasons = entry.session.tlsWouldRefuse?.split(', ') ?? []
    const refused = reasons.length > 0 ? 1 : 0
    this.#count({
      ...{ domain: nextHop, deliveries: 1, refused },
      ...(refused === 1 ? { lastAt: entry.at } : {}),
      reasons: [...new Set(reasons)].map((reason) => ({ reason, refused: 1 })),
      hosts: [{ mxHostname, deliveries: 1, refused }],
    })
  }

  merge(domains: readonly ObservedDomain[]): void {
    for (const domain of domains) this.#count(domain)
  }

  /** Those with the most refusals first; reasons and hosts likewise. */
  domains(): readonly ObservedDomain[] {
    const found = [...this.#domains].map(
      ([domain, { deliveries, refused, lastAt, reasons, hosts }]): ObservedDomain => {
        const counted = [...reasons].map(([reason, count]) => ({ reason, refused: count }))
        const named = [...hosts].map(([mxHostname, counts]) => ({ mxHostname, ...counts }))
        return {
          ...{ domain, deliveries, refused },
          ...(lastAt === undefined ? {} : { lastAt }),
          reasons: counted.sort((one, other) => other.refused - one.refused || order(one.reason, other.reason)),
          hosts: named.sort((one, other) => other.refused - one.refused || order(one.mxHostname, other.mxHostname)),
        }
      },
    )
    return found.sort((one, other) => other.refused - one.refused || order(one.domain, other.domain))
  }

  #count({ domain, deliveries, refused, lastAt, reasons, hosts }: ObservedDomain): void {
    const known = this.#domains.get(domain) ?? emptyDomain()
    this.#domains.set(domain, known)
    known.deliveries += deliveries
    known.refused += refused
    if (lastAt !== undefined) known.lastAt = Math.max(known.lastAt ?? lastAt, lastAt)
    for (const one of reasons) known.reasons.set(one.reason, (known.reasons.get(one.reason) ?? 0) + one.refused)
    for (const one of hosts) {
      const host = known.hosts.get(one.mxHostname) ?? { deliveries: 0, refused: 0 }
      known.hosts.set(one.mxHostname, {
        deliveries: host.deliveries + one.deliveries,
        refused: host.refused + one.refused,
      })
    }
  }
}

function emptyDomain(): Domain {
  return { deliveries: 0, refused: 0, lastAt: undefined, reasons: new Map(), hosts: new Map() }
}

function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
