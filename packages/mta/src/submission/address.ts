/**
 * The address grammar of the envelope: RFC 5321 §4.1.2 with the extensions of RFC 6531 §3.3. Pure.
 *
 * An address comes out in the one form in which it is stored, compared and sent: local part in minimal quoting
 * with its case kept (RFC 5321 §2.4, §4.1.2), domain in A-labels. Commands and parameters are in
 * `envelope-command.ts`; what `postmaster` alone means is decided in `session.ts`.
 */
import { err, ok, parseDomainName, type Result } from '@hermetic/policy'
import { type MailAddress, type MailDomain, parseLiteral } from '../smtp/mail-address.ts'

export type AddressProblem =
  | 'syntax'
  | 'control-character'
  /** A non-ASCII character without SMTPUTF8. */
  | 'non-ascii'
  | 'local-part-too-long'
  | 'domain-too-long'
  | 'path-too-long'
  | 'invalid-domain'
  /** A name without a dot: nobody completes it here (RFC 5321 §2.3.5, RFC 6409 §4.2). */
  | 'unqualified-domain'

/** What stands between the angle brackets. `postmaster` is the one local part that needs no domain. */
export type ParsedPath =
  | { readonly kind: 'null' }
  | { readonly kind: 'postmaster' }
  | { readonly kind: 'address'; readonly address: MailAddress }

/** RFC 5321 §4.5.3.1.1–3, in octets; the path includes its brackets. */
const LOCAL_PART_OCTETS_MAX = 64
const DOMAIN_OCTETS_MAX = 255
const PATH_OCTETS_MAX = 256

// Every control character, the C1 ones included: they have no place in an address, whatever RFC 6531 leaves open.
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const CONTROL = /[\x00-\x1f\x7f-\x9f]/
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u0080-\\u{10ffff}-]+"
const DOT_STRING = new RegExp(`^${ATOM}(?:\\.${ATOM})*$`, 'u')
const DOT_STRING_PREFIX = new RegExp(`${ATOM}(?:\\.${ATOM})*`, 'uy')
// RFC 5321 §4.1.2: qtextSMTP or quoted-pairSMTP.
const QUOTED_PREFIX = /"((?:[^"\\]|\\[\x20-\x7e])*)"/uy
const ASCII = /^[\x20-\x7e]*$/
// RFC 5321 §4.1.2: A-d-l ":" in front of the mailbox; accepted and dropped (RFC 5321 §3.3, appendix C).
const SOURCE_ROUTE = /@[^@,:<>\s]+(?:,@[^@,:<>\s]+)*:/uy

/** Reads the path at the start of `text`, brackets included, and says where it ends. */
export function parsePath(
  text: string,
  options: { readonly utf8: boolean },
): Result<{ readonly path: ParsedPath; readonly end: number }, AddressProblem> {
  if (!text.startsWith('<')) return err('syntax')
  const start = sourceRouteEnd(text, 1)
  if (text[start] === '>') return start === 1 ? ok({ path: { kind: 'null' }, end: 2 }) : err('syntax')
  const local = readLocalPart(text, start)
  if (local === undefined) return err('syntax')
  if (text[local.end] === '>') {
    if (start !== 1 || local.value.toLowerCase() !== 'postmaster') return err('unqualified-domain')
    return ok({ path: { kind: 'postmaster' }, end: local.end + 1 })
  }
  const close = text.indexOf('>', local.end)
  if (text[local.end] !== '@' || close === -1) return err('syntax')
  if (Buffer.byteLength(text.slice(start - 1, close + 1)) > PATH_OCTETS_MAX) return err('path-too-long')
  const address = checkedAddress(local.value, text.slice(local.end + 1, close), options.utf8)
  return address.ok ? ok({ path: { kind: 'address', address: address.value }, end: close + 1 }) : address
}

/** Reads `local@domain` without brackets, as it stands in settings. */
export function parseMailbox(text: string): Result<MailAddress, AddressProblem> {
  const parsed = parsePath(`<${text}>`, { utf8: true })
  if (!parsed.ok) return parsed
  if (parsed.value.path.kind !== 'address' || parsed.value.end !== text.length + 2) return err('syntax')
  return ok(parsed.value.path.address)
}

/** Minimal quoting (RFC 5321 §4.1.2): quotes only when the content is not a dot-string. */
export function formatLocalPart(content: string): string {
  return DOT_STRING.test(content) ? content : `"${content.replace(/["\\]/g, '\\$&')}"`
}

function sourceRouteEnd(text: string, start: number): number {
  SOURCE_ROUTE.lastIndex = start
  return SOURCE_ROUTE.test(text) ? SOURCE_ROUTE.lastIndex : start
}

/** The content of the local part, unquoted, and the index after it. */
function readLocalPart(text: string, start: number): { readonly value: string; readonly end: number } | undefined {
  if (text[start] === '"') {
    QUOTED_PREFIX.lastIndex = start
    const quoted = QUOTED_PREFIX.exec(text)?.[1]
    return quoted === undefined ? undefined : { value: quoted.replace(/\\(.)/g, '$1'), end: QUOTED_PREFIX.lastIndex }
  }
  DOT_STRING_PREFIX.lastIndex = start
  const atoms = DOT_STRING_PREFIX.exec(text)?.[0]
  return atoms === undefined ? undefined : { value: atoms, end: DOT_STRING_PREFIX.lastIndex }
}

function checkedAddress(content: string, domainText: string, utf8: boolean): Result<MailAddress, AddressProblem> {
  if (CONTROL.test(content) || CONTROL.test(domainText)) return err('control-character')
  if (!utf8 && !(ASCII.test(content) && ASCII.test(domainText))) return err('non-ascii')
  const localPart = formatLocalPart(content)
  if (Buffer.byteLength(localPart) > LOCAL_PART_OCTETS_MAX) return err('local-part-too-long')
  const domain = readDomain(domainText)
  return domain.ok ? ok({ localPart, domain: domain.value }) : domain
}

function readDomain(text: string): Result<MailDomain, AddressProblem> {
  if (text.startsWith('[')) {
    const literal = parseLiteral(text)
    return literal === undefined ? err('invalid-domain') : ok(literal)
  }
  if (Buffer.byteLength(text) > DOMAIN_OCTETS_MAX) return err('domain-too-long')
  const name = parseDomainName(text)
  if (!name.ok) return err(name.error.kind === 'name-too-long' ? 'domain-too-long' : 'invalid-domain')
  return name.value.includes('.') ? ok({ kind: 'name', name: name.value }) : err('unqualified-domain')
}
