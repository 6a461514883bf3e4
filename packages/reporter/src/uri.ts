/**
 * The generic grammar of URIs (RFC 3986 §3), as far as a record of addresses needs it: is this one, and what are its
 * parts as written? Nothing is normalised, so what is asked for later is what was published. Pure.
 */
export interface UriParts {
  /** In lower case: schemes know no case (RFC 3986 §3.1). */
  readonly scheme: string
  /** Undefined without `//`. */
  readonly authority: string | undefined
  readonly path: string
  /** Without the question mark; undefined without one. */
  readonly query: string | undefined
  readonly fragment: string | undefined
}

// RFC 3986 appendix A. The alternatives of each class exclude one another, so that matching takes linear time.
const PCHAR = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
const REG_NAME = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*"
const IP_LITERAL = "(?:[A-Za-z0-9._~!$&'()*+,;=:-]*@)?\\[[0-9A-Za-z:.]+\\](?::[0-9]*)?"
const URI = new RegExp(
  `^([A-Za-z][A-Za-z0-9+.-]*):(?://(${IP_LITERAL}|${REG_NAME})(?=[/?#]|$))?((?:${PCHAR}|/)*)` +
    `(?:\\?((?:${PCHAR}|[/?])*))?(?:#((?:${PCHAR}|[/?])*))?$`,
)

export function parseUri(text: string): UriParts | undefined {
  const match = URI.exec(text)
  if (match === null) return undefined
  const [, scheme = '', authority, path = '', query, fragment] = match
  // RFC 3986 §3.3: without an authority, a path cannot begin with two slashes.
  if (authority === undefined && path.startsWith('//')) return undefined
  return { scheme: scheme.toLowerCase(), authority, path, query, fragment }
}

/** RFC 3986 §2.1, the octets read as UTF-8; undefined when they are none. */
export function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
