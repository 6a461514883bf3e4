/** Rules about `[tlsrpt]`: whoever reports says who he is, in a form that every reader of reports takes. Pure. */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

const EXAMPLES = { organization: '"Example Inc."', contact: '"tls-reports@example.com"' } as const

export function tlsrptFindings({ tlsrpt }: ReadableConfig): readonly Finding[] {
  if (tlsrpt?.enabled !== true) return []
  const on: ConfigPath = ['tlsrpt', 'enabled']
  const missing = (['organization', 'contact'] as const)
    .filter((name) => tlsrpt[name] === undefined)
    .map((name): Finding => {
      const remedy = `write ${name} = ${EXAMPLES[name]} in [tlsrpt]`
      return { path: on, wrong: `is true, but ${name} is missing`, remedy, read: [on, ['tlsrpt', name]] }
    })
  return [...missing, ...contactFindings(tlsrpt.contact), ...keyFindings(tlsrpt)]
}

function keyFindings({ selector, key_file: file }: NonNullable<ReadableConfig['tlsrpt']>): readonly Finding[] {
  if (file === undefined || selector !== undefined) return []
  const path: ConfigPath = ['tlsrpt', 'key_file']
  const remedy = 'write the selector of this key in [tlsrpt]'
  return [{ path, wrong: 'has a key without a name in DNS', remedy, read: [path, ['tlsrpt', 'selector']] }]
}

/** RPT-19, RPT-84: an addr-spec with a domain, for the report is named after it; reports know no SMTPUTF8. */
function contactFindings(contact: NonNullable<ReadableConfig['tlsrpt']>['contact']): readonly Finding[] {
  if (contact === undefined) return []
  const path: ConfigPath = ['tlsrpt', 'contact']
  const finding = { path, remedy: 'write a mailbox in ASCII at a domain of yours', read: [path, ['tlsrpt', 'enabled']] }
  if (contact.domain?.kind === 'literal') return [{ ...finding, wrong: 'has an address in place of a domain' }]
  if (/[^\p{ASCII}]/u.test(contact.localPart ?? '')) return [{ ...finding, wrong: 'has letters outside ASCII' }]
  return []
}
