/**
 * Reads the enhanced status code out of a reply (RFC 2034 §4). Pure. Only for peers that offered
 * ENHANCEDSTATUSCODES, and only when its class agrees with the reply code (EXT-17): else the text stays as it is.
 */
import { parseEnhancedStatus } from './enhanced-status.ts'
import type { SmtpReply } from './reply.ts'

const STATUS_PREFIX = /^([245]\.\d{1,3}\.\d{1,3})(?: |$)/

export function withEnhancedStatus(reply: SmtpReply): SmtpReply {
  const prefix = STATUS_PREFIX.exec(reply.lines[0] ?? '')?.[1]
  const status = prefix === undefined ? undefined : parseEnhancedStatus(prefix)
  if (status === undefined || status[0] !== String(Math.floor(reply.code / 100))) return reply
  // RFC 2034 §4: every line of a multi-line reply carries it; a line without is taken as it is.
  const lines = reply.lines.map((line) =>
    line.startsWith(status) && (line.length === status.length || line[status.length] === ' ')
      ? line.slice(status.length + 1)
      : line,
  )
  return { code: reply.code, enhancedStatus: status, lines }
}
