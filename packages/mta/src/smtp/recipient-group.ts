/**
 * How many recipients one transaction may have at this peer (RFC 9422 §5): those that fit, in their order; the others go
 * into further transactions. Pure.
 */
import type { SmtpLimits } from './capabilities.ts'
import type { Recipient } from './envelope.ts'
import { formatDomain } from './mail-address.ts'

/** At least one, when there is one. */
export function recipientGroup<R extends Recipient>(
  recipients: readonly R[],
  { rcptMax = Number.POSITIVE_INFINITY, rcptDomainMax = Number.POSITIVE_INFINITY }: SmtpLimits,
): readonly R[] {
  if (recipients.length <= rcptMax && rcptDomainMax === Number.POSITIVE_INFINITY) return recipients
  const domains = new Set<string>()
  const group: R[] = []
  for (const recipient of recipients) {
    if (group.length >= rcptMax) break
    const domain = formatDomain(recipient.address.domain)
    if (!domains.has(domain) && domains.size >= rcptDomainMax) continue
    domains.add(domain)
    group.push(recipient)
  }
  return group
}
