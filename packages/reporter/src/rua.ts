/**
 * One place that reports are sent to (RFC 8460 §3): a mailbox or an HTTPS endpoint, read from a URI of the record.
 *
 * Strangers write these. From a mailto URI only the address is taken (RPT-88): its header fields and its body are
 * theirs, the message is ours. Whether a place may be dialled is judged when it is (`egress` of the policy package).
 * What cannot be used is told with the reason, so that one bad URI never costs the others their report. Pure.
 */
import { type DomainName, err, ok, parseDomainName, type Result } from '@hermetic/policy'
import { parseUri, percentDecoded, type UriParts } from './uri.ts'

export type Rua = MailtoRua | HttpsRua

export interface MailtoRua {
  readonly kind: 'mailto'
  /** As published: names the target in the store and in logs. */
  readonly uri: string
  /** As SMTP writes it: local part quoted where it must be, domain in A-labels. */
  readonly address: string
  readonly domain: DomainName
}

export interface HttpsRua {
  readonly kind: 'https'
  readonly uri: string
  readonly host: DomainName
  readonly port: number
  /** Path and query exactly as published (RPT-92). */
  readonly path: string
}

export type RuaError =
  /** Not RFC 3986, or with a character that the record must encode (RFC 8460 §3). */
  | { readonly kind: 'malformed-uri' }
  | { readonly kind: 'uri-too-long'; readonly octets: number }
  | { readonly kind: 'unsupported-scheme'; readonly scheme: string }
  | { readonly kind: 'mailto-without-address' }
  /** After decoding: a line break, or another control character, that would end up in an envelope or a header. */
  | { readonly kind: 'mailto-control-character' }
  /** More than one address, or none that RFC 5321 §4.1.2 knows. */
  | { readonly kind: 'mailto-malformed-address' }
  /** A local part outside ASCII: the record promises nothing about SMTPUTF8, and reports do not ask for it. */
  | { readonly kind: 'mailto-non-ascii' }
  | { readonly kind: 'invalid-domain' }
  | { readonly kind: 'https-without-host' }
  /** `https://user:secret@…`: no credentials are sent (RPT-96). */
  | { readonly kind: 'https-with-credentials' }
  | { readonly kind: 'https-invalid-port' }

/** Request lines up to 8,000 octets must be understood (RFC 9112 §3); nobody needs a quarter of it. */
export const RUA_OCTETS_MAX = 2_000
/** RFC 5321 §4.5.3.1.1. */
const LOCAL_PART_OCTETS_MAX = 64
const HTTPS_PORT = 443
const PORT_MAX = 65_535

/** RFC 8460 §3: these three appear encoded only. */
const MUST_BE_ENCODED = /[,!;]/
const ASCII = /^\p{ASCII}*$/u
const CONTROL = /\p{Cc}|\u2028|\u2029/u
const DOT_STRING = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/
const QUOTED = /^"((?:[^"\\]|\\[\x20-\x7e])*)"$/

export function parseRua(uri: string): Result<Rua, RuaError> {
  const parts = isRuaUri(uri) ? parseUri(uri) : undefined
  if (parts === undefined) return err({ kind: 'malformed-uri' })
  if (uri.length > RUA_OCTETS_MAX) return err({ kind: 'uri-too-long', octets: uri.length })
  if (parts.scheme === 'mailto') return readMailto(uri, parts)
  if (parts.scheme === 'https') return readHttps(uri, parts)
  return err({ kind: 'unsupported-scheme', scheme: parts.scheme })
}

/** The same for every way in which a place can be written: schemes and hosts know no case, fragments are not sent. */
export function placeOf(rua: Rua): string {
  return rua.kind === 'mailto' ? `mailto:${rua.address}` : `https://${rua.host}:${rua.port}${rua.path}`
}

/** What the grammar of the record lets stand in a list, whether or not we can use it. */
export function isRuaUri(text: string): boolean {
  return !MUST_BE_ENCODED.test(text) && parseUri(text) !== undefined
}

/** RFC 6068 §2; a comma between addresses could only be a literal one, and that the record must encode. */
function readMailto(uri: string, { path, authority }: UriParts): Result<MailtoRua, RuaError> {
  if (authority !== undefined) return err({ kind: 'mailto-malformed-address' })
  if (path === '') return err({ kind: 'mailto-without-address' })
  const decoded = percentDecoded(path)
  if (decoded === undefined) return err({ kind: 'mailto-malformed-address' })
  if (CONTROL.test(decoded)) return err({ kind: 'mailto-control-character' })
  const at = decoded.lastIndexOf('@')
  if (at < 0) return err({ kind: 'mailto-malformed-address' })
  const localPart = readLocalPart(decoded.slice(0, at))
  if (!localPart.ok) return localPart
  const domain = readDomain(decoded.slice(at + 1))
  if (!domain.ok) return domain
  return ok({ kind: 'mailto', uri, address: `${localPart.value}@${domain.value}`, domain: domain.value })
}

/** RPT-08: what is encoded counts as part of the one address, so a comma in it makes it a quoted string. */
function readLocalPart(text: string): Result<string, RuaError> {
  if (!ASCII.test(text)) return err({ kind: 'mailto-non-ascii' })
  const content = QUOTED.exec(text)?.[1]?.replace(/\\(.)/g, '$1') ?? text
  const written = DOT_STRING.test(content) ? content : `"${content.replace(/["\\]/g, '\\$&')}"`
  if (content === '' || content.includes('@') || written.length > LOCAL_PART_OCTETS_MAX) {
    return err({ kind: 'mailto-malformed-address' })
  }
  return ok(written)
}

function readHttps(uri: string, { authority, path, query }: UriParts): Result<HttpsRua, RuaError> {
  if (authority === undefined || authority === '') return err({ kind: 'https-without-host' })
  if (authority.includes('@')) return err({ kind: 'https-with-credentials' })
  const [, name = '', digits] = /^(.*?)(?::([0-9]*))?$/.exec(authority) ?? []
  const port = digits === undefined || digits === '' ? HTTPS_PORT : Number(digits)
  if (port < 1 || port > PORT_MAX) return err({ kind: 'https-invalid-port' })
  const host = readDomain(percentDecoded(name) ?? '')
  if (!host.ok) return host
  const target = `${path === '' ? '/' : path}${query === undefined ? '' : `?${query}`}`
  return ok({ kind: 'https', uri, host: host.value, port, path: target })
}

/** Names only: an address names no one that a certificate or a mail domain could stand for. One last dot is forgiven. */
function readDomain(text: string): Result<DomainName, RuaError> {
  const domain = parseDomainName(text.replace(/\.$/, ''))
  return domain.ok && domain.value.includes('.') ? domain : err({ kind: 'invalid-domain' })
}
