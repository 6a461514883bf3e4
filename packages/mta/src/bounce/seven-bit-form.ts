/**
 * A notification of ours once more, in seven bits: for a way back on which a host offers no SMTPUTF8 or no 8BITMIME
 * (RFC 6533 §3, §4; EAI-08). Made of what was rendered, so that it can be made whenever that host is met. Pure.
 *
 * Only for what `dsn.ts` has composed; signatures on top of it are left out, for they would not hold.
 */
import { asciiForm, isAscii } from './header-text.ts'
import { headerSection, headersPart } from './returned-content.ts'

/** Undefined when it cannot be: it is in seven bits already, its receiver has a UTF-8 address, or it is not one of ours. */
export function sevenBitForm(notification: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(notification.buffer, notification.byteOffset, notification.byteLength).toString('latin1')
  if (isAscii(text)) return undefined
  const end = text.indexOf('\r\n\r\n') + 2
  const header = text.slice(0, end)
  // Ours begins so; what is above was put there by a signer.
  const from = /^Date: /m.exec(header)?.index
  const boundary = /^ boundary="([^"\r\n]+)"\r$/m.exec(header)?.[1]
  if (from === undefined || boundary === undefined || !isAscii(header)) return undefined
  const [, ...parts] = text.slice(end).split(`\r\n--${boundary}`)
  const last = parts.pop()
  if (last !== '--\r\n') return undefined
  const rewritten = parts.map((part) => `\r\n--${boundary}\r\n${rewrite(part.slice(2))}`).join('')
  return Buffer.from(`${header.slice(from)}${rewritten}\r\n--${boundary}--\r\n`, 'latin1')
}

/** One part, its two fields first. */
function rewrite(part: string): string {
  if (isAscii(part)) return part.startsWith('Content-Type: message/global') ? sevenBitStatus(part) : part
  const body = part.slice(part.indexOf('\r\n\r\n') + 4)
  if (part.startsWith('Content-Type: message/global-delivery-status\r\n')) return sevenBitStatus(part)
  const { contentType, encoding, body: encoded } = headersPart(headerSection(body))
  return `Content-Type: ${contentType}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${encoded}`
}

function sevenBitStatus(part: string): string {
  const fields = Buffer.from(part.slice(part.indexOf('\r\n\r\n') + 4), 'latin1').toString('utf8')
  const body = fields.split('\r\n').map(sevenBitLine).join('\r\n')
  return `Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: 7bit\r\n\r\n${body}`
}

/** RFC 5322 §2.1.1: 998, and the name of a field is not cut. */
const LINE_LIMIT = 950

/** Addresses keep their meaning, other text says where something is missing. */
function sevenBitLine(line: string): string {
  if (/^(?:Final|Original)-Recipient: utf-8; /.test(line)) return asciiForm(line).slice(0, LINE_LIMIT)
  return line.replace(/\P{ASCII}+/gu, '?')
}
