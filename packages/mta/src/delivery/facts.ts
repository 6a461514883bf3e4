/**
 * What is known of a next hop, for as long as DNS lets us know it: at most five minutes (architecture §3).
 *
 * One lookup serves all messages of a lane, and all that ask at the same time. Trouble is never remembered here: a
 * permanent failure must come from a fresh answer (SMTP-43), and how long to wait after a transient one is the
 * lane's back-off. Reads the monotonic clock that it is given.
 */
import {
  type AddressJudgement,
  type DnsResolver,
  type MxCandidate,
  type Requirement,
  type ResolvedCandidate,
  resolveAddresses,
  resolveNextHop,
  type Self,
} from '@hermetic/policy'
import type { SiteId } from '../limits/permits.ts'
import { formatDomain, type MailDomain } from '../smtp/mail-address.ts'
import { type CandidateLevel, candidateLevel, nextHopCause, preferenceLevels } from './candidates.ts'
import type { Lane } from './lane.ts'
import type { DeliveryCause } from './outcome.ts'
import { siteOf } from './site.ts'

export interface FactsOptions {
  readonly resolver: Pick<DnsResolver, 'mx' | 'address'>
  /** Is this the address that we may dial at this port? */
  readonly guard: (address: string, port: number) => AddressJudgement
  readonly self: Self
  readonly requirementFor: (nextHop: MailDomain) => Requirement
  readonly random: () => number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  /** SMTP-42: at least two; less only by configuration. */
  readonly addressesPerHostMax?: number
  readonly preferFamily?: 4 | 6
}

export type Destination =
  | { readonly kind: 'facts'; readonly facts: NextHopFacts }
  /** The MX answer says that there is nobody to dial. */
  | { readonly kind: 'nobody'; readonly cause: DeliveryCause }

export interface NextHopFacts {
  /** The domain whose policy counts: the next hop as routed (STS-01). */
  readonly policyDomain: string
  readonly port: number
  readonly site: SiteId
  readonly requirement: Requirement
  readonly levels: number
  level(index: number): Promise<CandidateLevel>
  /** False once the least TTL is over; then ask again before the next transaction. */
  fresh(): boolean
  /** Was it made for this very question? */
  readonly madeAt: number
}

const FACTS_MS_MAX = 300_000
/** Short TTLs are raised to this: one batch should not need two lookups. */
const FACTS_MS_MIN = 5_000
const REMEMBERED_MAX = 10_000
const ADDRESSES_PER_HOST_MAX = 5

export class FactsSource {
  readonly #options: FactsOptions
  /** In order of insertion: the oldest is forgotten first. */
  readonly #known = new Map<string, NextHopFacts>()
  readonly #asking = new Map<string, Promise<Destination>>()

  constructor(options: FactsOptions) {
    this.#options = options
  }

  get(lane: Lane): Promise<Destination> | Destination {
    const key = `${formatDomain(lane.nextHop)}:${lane.port}`
    const known = this.#known.get(key)
    if (known?.fresh()) return { kind: 'facts', facts: known }
    const asking = this.#asking.get(key)
    if (asking !== undefined) return asking
    const answer = this.#ask(lane, key).finally(() => this.#asking.delete(key))
    this.#asking.set(key, answer)
    return answer
  }

  forget(lane: Lane): void {
    this.#known.delete(`${formatDomain(lane.nextHop)}:${lane.port}`)
  }

  async #ask(lane: Lane, key: string): Promise<Destination> {
    const destination = lane.nextHop.kind === 'literal' ? this.#literal(lane, lane.nextHop) : await this.#byMx(lane)
    this.#known.delete(key)
    if (destination.kind !== 'facts') return destination
    if (this.#known.size >= REMEMBERED_MAX) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest)
        break
      }
    }
    this.#known.set(key, destination.facts)
    return destination
  }

  async #byMx(lane: Lane): Promise<Destination> {
    const { resolver, self, random } = this.#options
    if (lane.nextHop.kind === 'literal') return this.#literal(lane, lane.nextHop)
    const domain = lane.nextHop.name
    const answer = await resolveNextHop({ resolver, domain, self, random })
    if (answer.kind !== 'hosts') return { kind: 'nobody', cause: nextHopCause(answer, domain) }
    const levels = preferenceLevels(answer.candidates)
    const site = siteOf(
      answer.candidates.map(({ mxHostname }) => mxHostname),
      lane.port,
    )
    return { kind: 'facts', facts: this.#facts(lane, { site, levels, ttlSeconds: answer.ttlSeconds }) }
  }

  #facts(
    lane: Lane,
    found: {
      readonly site: SiteId
      readonly levels: readonly (readonly MxCandidate[])[]
      readonly ttlSeconds: number
    },
  ): NextHopFacts {
    const { monotonic, requirementFor } = this.#options
    const madeAt = monotonic()
    let freshUntil = madeAt + factsMs(found.ttlSeconds)
    const known = new Map<number, CandidateLevel>()
    return {
      policyDomain: formatDomain(lane.nextHop),
      port: lane.port,
      site: found.site,
      requirement: requirementFor(lane.nextHop),
      levels: found.levels.length,
      madeAt,
      fresh: () => monotonic() < freshUntil,
      level: async (index) => {
        const before = known.get(index)
        if (before !== undefined) return before
        const { level, ttlSeconds } = await this.#level(found.levels[index] ?? [], lane.port)
        freshUntil = Math.min(freshUntil, monotonic() + factsMs(ttlSeconds))
        if (level.unusable.length === 0) known.set(index, level)
        return level
      },
    }
  }

  async #level(
    candidates: readonly MxCandidate[],
    port: number,
  ): Promise<{ readonly level: CandidateLevel; readonly ttlSeconds: number }> {
    const { resolver, guard, preferFamily = 6, addressesPerHostMax = ADDRESSES_PER_HOST_MAX } = this.#options
    const resolved = await Promise.all(
      candidates.map(async (candidate): Promise<ResolvedCandidate> => {
        const question = { resolver, host: candidate.mxHostname, preferFamily }
        const addresses = await resolveAddresses({ ...question, guard: (address) => guard(address, port) })
        return { candidate, addresses }
      }),
    )
    const ttlSeconds = Math.min(
      ...resolved.map(({ addresses }) => (addresses.kind === 'failure' ? FACTS_MS_MAX : addresses.ttlSeconds)),
    )
    return { level: candidateLevel(resolved, { addressesPerHostMax }), ttlSeconds }
  }

  /** RFC 5321 §4.1.3: the address itself; nothing is looked up, and no certificate proves it. */
  #literal(lane: Lane, literal: MailDomain & { readonly kind: 'literal' }): Destination {
    const { monotonic, requirementFor, guard } = this.#options
    const mxHostname = formatDomain(literal)
    const judgement = guard(literal.address, lane.port)
    const level = literalLevel(mxHostname, literal.address, judgement)
    const madeAt = monotonic()
    return {
      kind: 'facts',
      facts: {
        policyDomain: mxHostname,
        port: lane.port,
        site: siteOf([mxHostname], lane.port),
        requirement: requirementFor(literal),
        levels: 1,
        madeAt,
        fresh: () => monotonic() < madeAt + FACTS_MS_MAX,
        level: async () => level,
      },
    }
  }
}

function literalLevel(mxHostname: string, address: string, judgement: AddressJudgement): CandidateLevel {
  if (judgement.kind === 'allowed')
    return { hosts: [{ mxHostname, servername: undefined, addresses: [address] }], unusable: [], last: false }
  const { reason } = judgement
  const cause: DeliveryCause =
    reason === 'own-listener'
      ? { kind: 'mail-loop', name: mxHostname }
      : { kind: 'address-refused', addresses: [`${address} (${reason})`] }
  return { hosts: [], unusable: [{ mxHostname, cause }], last: false }
}

function factsMs(ttlSeconds: number): number {
  return Math.min(Math.max(ttlSeconds * 1000, FACTS_MS_MIN), FACTS_MS_MAX)
}
