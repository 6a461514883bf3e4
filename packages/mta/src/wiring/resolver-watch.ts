/**
 * Whether name servers answer, told from the lookups that deliveries make anyway: readiness must not depend on
 * a question that nobody needed.
 */
import type { DnsAnswer, DnsResolver } from '@hermetic/policy'

export interface WatchedResolver extends DnsResolver {
  state(): 'answers' | 'silent' | 'not-asked-yet'
}

/** One lost answer says nothing about the servers. */
const SILENT_AFTER_FAILURES = 3

export function watchResolver(inner: DnsResolver): WatchedResolver {
  let asked = false
  let failures = 0
  const note = async <T>(lookup: Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> => {
    const answer = await lookup
    asked = true
    const silent = answer.kind === 'failure' && (answer.reason.kind === 'timeout' || answer.reason.kind === 'network')
    failures = silent ? failures + 1 : 0
    return answer
  }
  return {
    mx: (name) => note(inner.mx(name)),
    address: (name, family) => note(inner.address(name, family)),
    txt: (name, options) => note(inner.txt(name, options)),
    cname: (name) => note(inner.cname(name)),
    tlsa: (owner) => note(inner.tlsa(owner)),
    reverse: (address) => note(inner.reverse(address)),
    state: () => {
      if (!asked) return 'not-asked-yet'
      return failures >= SILENT_AFTER_FAILURES ? 'silent' : 'answers'
    },
  }
}
