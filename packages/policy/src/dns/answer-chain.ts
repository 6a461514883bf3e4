/**
 * What one response says about one question: records, an alias to follow, absence, or nothing that can be believed
 * (RFC 1034 §3.6.2 and §4.3.2, RFC 2308). Pure.
 *
 * Only records of the chain that starts at the question count; whatever else a server adds is ignored.
 */
import type { Answer } from 'dns-packet'
import { type OwnerName, parseOwnerName } from '../domain-name.ts'
import { assertNever, err, ok, type Result } from '../result.ts'
import type { DnsFailureReason } from './answer.ts'
import type { DnsResponse, Question, QuestionType } from './message.ts'

export type ChainEnd =
  | { readonly kind: 'records'; readonly records: readonly [Answer, ...Answer[]] }
  /** The chain leaves this response: its end must be asked for. */
  | { readonly kind: 'alias' }
  | { readonly kind: 'absent'; readonly reason: 'nxdomain' | 'nodata' }

export interface ChainStep {
  readonly end: ChainEnd
  /** The last name of the chain. */
  readonly name: OwnerName
  /** Least TTL, aliases included; Infinity when nothing carried one. */
  readonly ttlSeconds: number
}

/** RFC 1034 wants chains followed and loops stopped; resolvers in use stop near here as well. */
export const MAX_ALIASES = 11
/** RFC 2181 §8: the top bit means zero. */
const MAX_WIRE_TTL = 0x7fff_ffff

/** `aliases` holds every name passed so far, over all responses of one lookup, and grows. */
export function followChain(
  message: DnsResponse,
  question: Question & { readonly name: OwnerName },
  aliases: Set<OwnerName>,
): Result<ChainStep, DnsFailureReason> {
  let name = question.name
  let ttlSeconds = Number.POSITIVE_INFINITY
  for (;;) {
    const [first, ...rest] = ownedBy(message.answers, name, question.type)
    if (first !== undefined) {
      const ttl = Math.min(ttlSeconds, ...[first, ...rest].map(ttlOf))
      return ok({ end: { kind: 'records', records: [first, ...rest] }, name, ttlSeconds: ttl })
    }
    const step = question.type === 'CNAME' ? { kind: 'none' as const } : aliasOf(message.answers, name)
    switch (step.kind) {
      case 'none':
        return endWithoutRecords(message, { name, asked: question.name, ttlSeconds })
      case 'malformed':
        return err({ kind: 'malformed', detail: step.detail })
      case 'alias':
        aliases.add(name)
        if (aliases.has(step.target) || aliases.size > MAX_ALIASES) return err({ kind: 'cname-chain' })
        name = step.target
        ttlSeconds = Math.min(ttlSeconds, step.ttlSeconds)
        break
      default:
        return assertNever(step)
    }
  }
}

function endWithoutRecords(
  message: DnsResponse,
  { name, asked, ttlSeconds }: { readonly name: OwnerName; readonly asked: OwnerName; readonly ttlSeconds: number },
): Result<ChainStep, DnsFailureReason> {
  const negativeTtl = negativeTtlOf(message.authorities)
  const absent = (reason: 'nxdomain' | 'nodata', ttl: number) =>
    ok({ end: { kind: 'absent' as const, reason }, name, ttlSeconds: Math.min(ttlSeconds, ttl) })
  // RFC 2308 §2.1: with a CNAME chain, NXDOMAIN is about its end.
  if (message.rcode === 'NXDOMAIN') return absent('nxdomain', negativeTtl ?? 0)
  if (negativeTtl !== undefined) return absent('nodata', negativeTtl)
  // A server that does not recurse gives the first alias only.
  if (name !== asked) return ok({ end: { kind: 'alias' }, name, ttlSeconds })
  // RFC 2308 §2.2: name servers without SOA are a referral. Taken for NODATA it would make an implicit MX.
  if (message.authorities.some(({ type }) => type === 'NS')) return err({ kind: 'malformed', detail: 'a referral' })
  return absent('nodata', 0)
}

function ownedBy(records: readonly Answer[], owner: OwnerName, type: QuestionType): readonly Answer[] {
  return records.filter((record) => record.type === type && isOwner(record, owner))
}

type Alias =
  | { readonly kind: 'none' }
  | { readonly kind: 'alias'; readonly target: OwnerName; readonly ttlSeconds: number }
  | { readonly kind: 'malformed'; readonly detail: string }

function aliasOf(records: readonly Answer[], owner: OwnerName): Alias {
  const targets = records.flatMap((record) => (record.type === 'CNAME' && isOwner(record, owner) ? [record] : []))
  const [first] = targets
  if (first === undefined) return { kind: 'none' }
  // RFC 2181 §10.1: an alias has one canonical name.
  if (new Set(targets.map(({ data }) => data.toLowerCase())).size > 1) {
    return { kind: 'malformed', detail: 'several CNAMEs' }
  }
  const target = parseOwnerName(first.data)
  if (!target.ok) return { kind: 'malformed', detail: 'a CNAME outside the hostname alphabet' }
  return { kind: 'alias', target: target.value, ttlSeconds: ttlOf(first) }
}

function isOwner(record: Answer, owner: OwnerName): boolean {
  return record.type !== 'OPT' && (record.class ?? 'IN') === 'IN' && record.name.toLowerCase() === owner
}

function ttlOf(record: Answer): number {
  const ttl = record.type === 'OPT' ? 0 : (record.ttl ?? 0)
  return ttl > MAX_WIRE_TTL ? 0 : ttl
}

/** RFC 2308 §5: the lesser of the SOA's TTL and its MINIMUM; undefined without SOA. */
function negativeTtlOf(authorities: readonly Answer[]): number | undefined {
  const soa = authorities.find((record) => record.type === 'SOA')
  return soa === undefined ? undefined : Math.min(ttlOf(soa), soa.data.minimum ?? 0)
}
