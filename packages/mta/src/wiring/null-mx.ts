/**
 * Domains that declare with a null MX that they take no mail (RFC 7505), as submission asks for them: of those that we
 * deliver to ourselves, within a moment, and without an answer a domain is taken for one like any other.
 */
import { type DnsResolver, type DomainName, resolveNextHop } from '@hermetic/policy'
import { laneOf } from '../delivery/lane.ts'
import { laneForNotice, type RoutingOptions } from '../delivery/routing.ts'
import type { MailDomain } from '../smtp/mail-address.ts'
import type { TakesNoMail } from '../submission/recipient-check.ts'

/** A client waits, and delivery asks again. */
const WAIT_MS = 2_000
/**
 * Domains that have just been found to take mail are not looked at again for so long, less than what DNS itself is
 * believed for: both ends of every message are asked about, and most of them share few domains.
 */
const BELIEVED_MS = 5_000
const BELIEVED_MAX = 1_000

export interface NullMxOptions {
  readonly resolver: Pick<DnsResolver, 'mx'>
  readonly routing: RoutingOptions
  readonly waitMs?: number
  /** Monotonic milliseconds. */
  readonly monotonic?: () => number
}

export function nullMxLookup(options: NullMxOptions): TakesNoMail {
  const { routing, monotonic = () => performance.now() } = options
  const believedUntil = new Map<DomainName, number>()
  return (domain) => {
    if (domain.kind === 'literal') return false
    const { name } = domain
    const until = believedUntil.get(name)
    if (until !== undefined && monotonic() < until) return false
    if (!isDeliveredByUs(domain, routing)) return false
    return lookedUp(name, options).then((nullMx) => {
      if (nullMx !== false) return nullMx === true
      if (believedUntil.size >= BELIEVED_MAX) believedUntil.clear()
      believedUntil.set(name, monotonic() + BELIEVED_MS)
      return false
    })
  }
}

/** Undefined when that cannot be said in time. */
async function lookedUp(name: DomainName, { resolver, waitMs = WAIT_MS }: NullMxOptions): Promise<boolean | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), waitMs)
  try {
    return await Promise.race([hasNullMx(name, resolver), over])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

/** Asked before a sender is looked at. Behind a smarthost the names of the world may not even be known. */
function isDeliveredByUs(domain: MailDomain, routing: RoutingOptions): boolean {
  return laneOf(laneForNotice({ localPart: 'postmaster', domain }, routing)).kind === 'mx'
}

async function hasNullMx(domain: DomainName, resolver: Pick<DnsResolver, 'mx'>): Promise<boolean> {
  const { kind } = await resolveNextHop({ resolver, domain, self: { names: [] }, random: () => 0 })
  return kind === 'null-mx'
}
