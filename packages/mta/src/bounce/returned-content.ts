/**
 * The third part of a notification: the returned message or its header section (RFC 3461 §6.2, RFC 6522 §3). Pure.
 *
 * A message is returned whole only when that was asked for, something failed, and only as it is: message/rfc822 may not
 * be encoded (RFC 2046 §5.2.1). Octets above 127 make it a notification that needs 8BITMIME, and UTF-8 in its header one
 * that needs SMTPUTF8 (RFC 6533 §5, §6); `seven-bit-form.ts` has what is sent where the way back lacks them.
 */
import { isUtf8 } from 'node:buffer'
import type { Envelope } from '../smtp/envelope.ts'
import { isAscii, quotedPrintable } from './header-text.ts'

/** So that a notification with its returned part stays below the spool's inline size of 256 KiB (architecture §3). */
export const RETURNED_CONTENT_LIMIT = 196_608
/** A header section longer than this is cut between two fields. */
const HEADER_LIMIT = 32_768
/** RFC 5322 §2.1.1. */
const LONGEST_LINE = 998

export interface ReturnedContent {
  readonly contentType: 'message/rfc822' | 'message/global' | 'message/global-headers' | HeadersType
  readonly encoding: '7bit' | '8bit' | 'quoted-printable'
  /** One character for each octet. */
  readonly body: string
}

type HeadersType = 'text/rfc822-headers' | 'text/rfc822-headers; charset=utf-8'

export interface ReturnWanted {
  /** RFC 3461 §6.2: RET is about failures; of anything else the header section comes back. */
  readonly failed: boolean
  /** UTF-8 may stand in the notification. */
  readonly international: boolean
}

/** Undefined when nothing of the content could be read. */
export function returnedContent(
  contentStart: Uint8Array,
  envelope: Pick<Envelope, 'dsn' | 'tls' | 'size'>,
  { failed, international }: ReturnWanted,
): ReturnedContent | undefined {
  if (contentStart.length === 0) return undefined
  // RFC 8689 §5: RET=FULL is disregarded for a REQUIRETLS message.
  const wholeWanted = failed && envelope.dsn.ret === 'FULL' && envelope.tls !== 'requiretls'
  const atHand = contentStart.length === envelope.size && contentStart.length <= RETURNED_CONTENT_LIMIT
  const whole = wholeWanted && atHand ? wholeContent(latin1(contentStart), international) : undefined
  if (whole !== undefined) return whole
  const header = headerSection(latin1(contentStart.subarray(0, HEADER_LIMIT + LONGEST_LINE)))
  const utf8 = international && !isAscii(header) && isText(header) && isUtf8(Buffer.from(header, 'latin1'))
  return utf8 ? { contentType: 'message/global-headers', encoding: '8bit', body: header } : headersPart(header)
}

function wholeContent(text: string, international: boolean): ReturnedContent | undefined {
  if (!isText(text)) return undefined
  if (isAscii(text)) return { contentType: 'message/rfc822', encoding: '7bit', body: text }
  const end = text.indexOf('\r\n\r\n')
  const header = end === -1 ? text : text.slice(0, end)
  if (isAscii(header)) return { contentType: 'message/rfc822', encoding: '8bit', body: text }
  if (!international || !isUtf8(Buffer.from(header, 'latin1'))) return undefined
  return { contentType: 'message/global', encoding: '8bit', body: text }
}

/** A header section in seven bits. */
export function headersPart(header: string): ReturnedContent {
  if (isAscii(header) && isText(header)) return { contentType: 'text/rfc822-headers', encoding: '7bit', body: header }
  const octets = Buffer.from(header, 'latin1')
  return {
    contentType: isUtf8(octets) ? 'text/rfc822-headers; charset=utf-8' : 'text/rfc822-headers',
    encoding: 'quoted-printable',
    body: quotedPrintable(octets),
  }
}

/** Up to the empty line, ended by CRLF; cut before the first field that does not fit. */
export function headerSection(text: string): string {
  if (text.startsWith('\r\n')) return ''
  const end = text.indexOf('\r\n\r\n')
  const header = end === -1 ? text : text.slice(0, end + 2)
  if (header.length <= HEADER_LIMIT) return header.endsWith('\r\n') ? header : `${header}\r\n`
  let cut = 0
  for (const field of header.matchAll(/\r\n(?![ \t])/g)) {
    if (field.index + 2 > HEADER_LIMIT) break
    cut = field.index + 2
  }
  return header.slice(0, cut)
}

/** RFC 2045 §2.7, §2.8: no NUL, CR and LF only as CRLF, lines of at most 998 octets. */
function isText(text: string): boolean {
  if (text.includes('\0') || /\r(?!\n)|(?<!\r)\n/.test(text)) return false
  return text.split('\r\n').every((line) => line.length <= LONGEST_LINE)
}

/** RFC 3834 §3.1.5: for In-Reply-To; only in the plain form of RFC 5322 §3.6.4, for it is a stranger's text. */
export function originalMessageId(contentStart: Uint8Array): string | undefined {
  const header = headerSection(latin1(contentStart.subarray(0, HEADER_LIMIT + LONGEST_LINE)))
  return /^Message-ID:(?:\r\n)?[ \t]*(<[^\s<>@]{1,200}@[^\s<>@]{1,250}>)[ \t]*\r$/im.exec(header)?.[1]
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
