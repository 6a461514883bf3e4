/** What entries of `[[dkim]]` need of each other. Pure. */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

/** Notifications leave 8 KiB for all signatures, and a message needs no more: a key, its successor, and one of each kind. */
const KEYS_PER_DOMAIN_MAX = 4

export function dkimFindings({ dkim = [] }: ReadableConfig): readonly Finding[] {
  return dkim.flatMap(({ domain, selector }, index): readonly Finding[] => {
    const path: ConfigPath = ['dkim', index, 'selector']
    const earlier = dkim.slice(0, index).filter((other) => other.domain === domain)
    const read: ConfigPath[] = [path, ['dkim', index, 'domain']]
    if (domain === undefined || selector === undefined) return []
    if (earlier.some((other) => other.selector === selector)) {
      const wrong = `is there twice for ${domain}: "${selector}"`
      return [{ path, wrong, remedy: 'remove one, or give each key a selector of its own', read }]
    }
    if (earlier.length !== KEYS_PER_DOMAIN_MAX) return []
    const wrong = `is one key too many for ${domain}`
    return [{ path, wrong, remedy: `write at most ${KEYS_PER_DOMAIN_MAX} with one domain`, read }]
  })
}
