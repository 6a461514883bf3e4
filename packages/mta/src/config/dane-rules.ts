/** What `[dane]` needs of other settings. Pure. */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

export function daneFindings(settings: ReadableConfig): readonly Finding[] {
  return [...trustFindings(settings), ...digestFindings(settings)]
}

/** RFC 7672 §3.1.3: SHA2-256 is what everybody publishes. */
function digestFindings({ dane }: ReadableConfig): readonly Finding[] {
  const { digests } = dane ?? {}
  if (digests === undefined) return []
  const path: ConfigPath = ['dane', 'digests']
  if (!digests.includes('sha-256')) {
    const wrong = 'leaves out "sha-256", the digest of nearly all TLSA records: most hosts could not be authenticated'
    return [{ path, wrong, remedy: 'write it too', read: [path] }]
  }
  if (new Set(digests).size === digests.length) return []
  return [{ path, wrong: 'names a digest twice', remedy: 'write each once, the strongest first', read: [path] }]
}

/** Mail would be held for ever: nobody could end that but an editor. */
function trustFindings({ dane, dns }: ReadableConfig): readonly Finding[] {
  if (dane?.enabled !== true || dns?.trust !== 'none') return []
  const read = [
    ['dane', 'enabled'],
    ['dns', 'trust'],
  ] as const
  const wrong = 'is true, but dns.trust is "none": nobody would validate DNSSEC'
  return [{ path: ['dane', 'enabled'], wrong, remedy: 'write dns.trust = "auto" or "ad", or enabled = false', read }]
}
