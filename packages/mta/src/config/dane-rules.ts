/** What `[dane]` needs of other settings. Pure. */
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

/** Mail would be held for ever: nobody could end that but an editor. */
export function daneFindings({ dane, dns }: ReadableConfig): readonly Finding[] {
  if (dane?.enabled !== true || dns?.trust !== 'none') return []
  const read = [
    ['dane', 'enabled'],
    ['dns', 'trust'],
  ] as const
  const wrong = 'is true, but dns.trust is "none": nobody would validate DNSSEC'
  return [{ path: ['dane', 'enabled'], wrong, remedy: 'write dns.trust = "auto" or "ad", or enabled = false', read }]
}
