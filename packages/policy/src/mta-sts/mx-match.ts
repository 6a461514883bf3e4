/**
 * The `mx` patterns of an MTA-STS policy, and whether a host is meant by one (RFC 8461 §3.2, §4.1).
 *
 * What is matched is the name in the MX record, in canonical form: never the target of an alias, and never the
 * certificate, which is compared with the host's name alone (`verdict.ts`). Pure.
 */
import { type DomainName, isSubdomainOf, parseHostname } from '../domain-name.ts'
import { assertNever } from '../result.ts'

export interface MxPattern {
  /** `wildcard`: any one label, and then the name; `suffix`, in preload lists only: one label or more. */
  readonly kind: 'host' | 'wildcard' | 'suffix'
  readonly name: DomainName
}

const WILDCARD = '*.'
const PREFIX = { host: '', wildcard: WILDCARD, suffix: '.' } as const satisfies Record<MxPattern['kind'], string>

/**
 * Reads `mail.example.com` or `*.example.com`; undefined for everything else. One trailing dot is forgiven. A U-label
 * is malformed: RFC 8461 §3.2 has A-labels only.
 */
export function parseMxPattern(text: string): MxPattern | undefined {
  const kind = text.startsWith(WILDCARD) ? 'wildcard' : 'host'
  const name = parseHostname((kind === 'wildcard' ? text.slice(WILDCARD.length) : text).replace(/\.$/, ''))
  return name.ok ? { kind, name: name.value } : undefined
}

export function mxPatternText({ kind, name }: MxPattern): string {
  return PREFIX[kind] + name
}

/** The first pattern that means this host. */
export function matchesMx(mxHostname: DomainName, patterns: readonly MxPattern[]): MxPattern | undefined {
  return patterns.find((pattern) => means(pattern, mxHostname))
}

function means({ kind, name }: MxPattern, mxHostname: DomainName): boolean {
  switch (kind) {
    case 'host':
      return name === mxHostname
    case 'wildcard':
      // A name of one label has nothing behind it, and `*` never stands for nothing.
      return mxHostname.includes('.') && name === mxHostname.slice(mxHostname.indexOf('.') + 1)
    case 'suffix':
      return isSubdomainOf(mxHostname, name)
    default:
      return assertNever(kind)
  }
}
