/**
 * The Received field that we put on top of every message: RFC 5321 §4.4, protocol names of RFC 3848 and
 * RFC 6531 §4.3, the `tls` clause of RFC 8314 §4.3. Pure.
 *
 * FOR is written only for a single recipient (RFC 5321 §7.2). The account that submitted is not named (§7.2, SUB-28).
 */

import { isIPv6 } from 'node:net'
import { parseDomainName } from '@hermetic/policy'
import { formatDateTime } from '../smtp/date-time.ts'
import { parseLiteral } from '../smtp/mail-address.ts'

export interface TraceFacts {
  /** The argument of EHLO or HELO, as sent. */
  readonly clientName: string
  readonly clientAddress: string
  readonly greeting: 'ehlo' | 'helo'
  readonly authenticated: boolean
  readonly smtpUtf8: boolean
  readonly tlsCipher?: string
  readonly hostname: string
  readonly id: string
  /** The forward-path, when there is only one. */
  readonly forwardPath?: string
  /** UTC milliseconds. */
  readonly receivedAt: number
}

/** The field with its CRLF. */
export function receivedField(facts: TraceFacts): string {
  const clauses = [
    `by ${byDomain(facts.hostname)} with ${withProtocol(facts)} id ${facts.id}`,
    ...(facts.forwardPath === undefined ? [] : [`for <${facts.forwardPath}>`]),
    ...(facts.tlsCipher === undefined ? [] : [`tls ${facts.tlsCipher}`]),
  ]
  return `Received: from ${fromDomain(facts)}\r\n\t${clauses.join('\r\n\t')};\r\n\t${formatDateTime(facts.receivedAt)}\r\n`
}

function withProtocol(facts: TraceFacts): string {
  const suffix = `${facts.tlsCipher === undefined ? '' : 'S'}${facts.authenticated ? 'A' : ''}`
  if (facts.smtpUtf8) return `UTF8SMTP${suffix}`
  return facts.greeting === 'helo' && suffix === '' ? 'SMTP' : `ESMTP${suffix}`
}

/** RFC 5321 §4.1.3. */
export function addressLiteral(address: string): string {
  return isIPv6(address) ? `[IPv6:${address}]` : `[${address}]`
}

/** The client's name is only its claim: when it is no domain, it stands in a comment behind the address. */
function fromDomain({ clientName, clientAddress }: TraceFacts): string {
  const tcpInfo = `(${addressLiteral(clientAddress)})`
  if (isDomain(clientName)) return `${clientName} ${tcpInfo}`
  return `${addressLiteral(clientAddress)} ${tcpInfo} (helo ${clientName.replace(/[^A-Za-z0-9._:[\]-]/g, '?')})`
}

/** RFC 5321 §4.4: an address literal needs its TCP-info. */
function byDomain(hostname: string): string {
  return hostname.startsWith('[') ? `${hostname} (${hostname})` : hostname
}

function isDomain(name: string): boolean {
  return name.startsWith('[') ? parseLiteral(name) !== undefined : parseDomainName(name).ok
}
