/**
 * A resolver whose answers are secure or insecure on somebody's word, or are failures (RFC 7672 §2.1.1, §2.1.2).
 *
 * That an answer is insecure is the weaker claim and the more dangerous one: it is what a resolver says that has
 * stopped validating. It counts only when the source has just shown again that it validates.
 */
import type { Result } from '../result.ts'
import type { DnsAnswer } from './answer.ts'
import type { DnsResolver } from './resolver.ts'
import type { AnswerSource } from './validator.ts'

export interface Voucher {
  /** Who answers now, or why nobody does. */
  source(): Result<AnswerSource, string>
  /** Shows that validation works now; the error says why not. */
  confirm(): Promise<Result<undefined, string>>
}

export function vouchedResolver(voucher: Voucher): DnsResolver {
  const ask = async <T>(lookUp: (resolver: DnsResolver) => Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> => {
    const source = voucher.source()
    if (!source.ok) return unvalidated(source.error)
    const answer = await lookUp(source.value.resolver)
    if (answer.kind === 'failure') return answer
    if (!(await source.value.stillThere())) return unvalidated('the resolver ended while it answered')
    if (answer.secure) return answer
    const confirmed = await voucher.confirm()
    return confirmed.ok ? answer : unvalidated(confirmed.error)
  }
  return {
    mx: (name) => ask((resolver) => resolver.mx(name)),
    address: (name, family) => ask((resolver) => resolver.address(name, family)),
    txt: (name, options) => ask((resolver) => resolver.txt(name, options)),
    cname: (name) => ask((resolver) => resolver.cname(name)),
    tlsa: (owner) => ask((resolver) => resolver.tlsa(owner)),
    reverse: (address) => ask((resolver) => resolver.reverse(address)),
  }
}

function unvalidated(detail: string): DnsAnswer<never> {
  return { kind: 'failure', reason: { kind: 'unvalidated', detail } }
}
