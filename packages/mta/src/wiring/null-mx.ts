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

export interface NullMxOptions {
  readonly resolver: Pick<DnsResolver, 'mx'>
  readonly routing: RoutingOptions
  readonly waitMs?: number
}

export function nullMxLookup({ resolver, routing, waitMs = WAIT_MS }: NullMxOptions): TakesNoMail {
  return async (domain) => {
    if (domain.kind === 'literal' || !isDeliveredByUs(domain, routing)) return false
    const { promise: over, resolve } = Promise.withResolvers<false>()
    const timer = setTimeout(() => resolve(false), waitMs)
    try {
      return await Promise.race([hasNullMx(domain.name, resolver), over])
    } catch {
      return false
    } finally {
      clearTimeout(timer)
    }
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
