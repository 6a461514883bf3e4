/**
 * What a peer offered in the EHLO reply in force (RFC 5321 §4.1.1.1): keywords without case, unknown ones
 * ignored, malformed ones as if absent. Pure. Only the last EHLO counts; one before TLS never does (RFC 3207 §4.2).
 */
import type { SmtpReply } from './reply.ts'

export interface Capabilities {
  /** HELO offers nothing. */
  readonly greetedWith: 'ehlo' | 'helo'
  readonly pipelining: boolean
  readonly eightBitMime: boolean
  /** RFC 6531 §3.1: parameters of the keyword are ignored. */
  readonly smtpUtf8: boolean
  readonly dsn: boolean
  readonly enhancedStatusCodes: boolean
  readonly startTls: boolean
  readonly chunking: boolean
  readonly requireTls: boolean
  /** RFC 6710 §3: the policy that the keyword may name is the peer's. */
  readonly priority: boolean
  /** RFC 1870 §4: present when SIZE is offered; without `limit` there is none. */
  readonly size?: { readonly limit?: number }
  /** RFC 4954 §3: upper case. */
  readonly authMechanisms: readonly string[]
  /** RFC 9422 §4. */
  readonly limits: SmtpLimits
}

export interface SmtpLimits {
  readonly mailMax?: number
  readonly rcptMax?: number
  readonly rcptDomainMax?: number
}

const LIMIT_PARAMETER = /^([A-Za-z0-9_-]+)=([\x21-\x3a\x3c-\x7e]+)$/
/** RFC 9422 §4: a number of one to six digits, not beginning with zero. */
const LIMIT_VALUE = /^[1-9]\d{0,5}$/
/** RFC 1870 §3: up to twenty digits. */
const SIZE_VALUE = /^\d{1,20}$/

/** From the positive reply to EHLO: its first line is the greeting, the others are keywords. */
export function parseCapabilities(reply: SmtpReply): Capabilities {
  const offered = new Map<string, readonly string[]>()
  for (const line of reply.lines.slice(1)) {
    const [keyword = '', ...parameters] = line.split(/[ \t]+/)
    // A keyword said twice counts once: the first.
    if (keyword !== '' && !offered.has(keyword.toUpperCase())) offered.set(keyword.toUpperCase(), parameters)
  }
  const size = offered.get('SIZE')
  return {
    greetedWith: 'ehlo',
    pipelining: offered.has('PIPELINING'),
    eightBitMime: offered.has('8BITMIME'),
    smtpUtf8: offered.has('SMTPUTF8'),
    dsn: offered.has('DSN'),
    enhancedStatusCodes: offered.has('ENHANCEDSTATUSCODES'),
    startTls: offered.has('STARTTLS'),
    chunking: offered.has('CHUNKING'),
    requireTls: offered.has('REQUIRETLS'),
    priority: offered.has('MT-PRIORITY'),
    ...(size === undefined ? {} : { size: parseSize(size[0]) }),
    authMechanisms: (offered.get('AUTH') ?? []).filter((name) => name !== '').map((name) => name.toUpperCase()),
    limits: parseLimits(offered.get('LIMITS') ?? []),
  }
}

/** After HELO nothing is offered (RFC 5321 §4.1.1.1). */
export const HELO_CAPABILITIES: Capabilities = {
  ...parseCapabilities({ code: 250, lines: [] }),
  greetedWith: 'helo',
}

/** RFC 1870 §4: zero, or no number, means that no fixed limit is in force. */
function parseSize(value: string | undefined): { readonly limit?: number } {
  const limit = value !== undefined && SIZE_VALUE.test(value) ? Number(value) : 0
  return limit > 0 && Number.isSafeInteger(limit) ? { limit } : {}
}

/** RFC 9422 §4: a parameter said twice, or one that is no parameter, makes the whole keyword void. */
function parseLimits(parameters: readonly string[]): SmtpLimits {
  const limits = new Map<string, string>()
  for (const parameter of parameters) {
    const [, name, value] = LIMIT_PARAMETER.exec(parameter) ?? []
    if (name === undefined || value === undefined || limits.has(name.toUpperCase())) return {}
    limits.set(name.toUpperCase(), value)
  }
  const number = (name: string): number | undefined => {
    const value = limits.get(name)
    return value !== undefined && LIMIT_VALUE.test(value) ? Number(value) : undefined
  }
  const [mailMax, rcptMax, rcptDomainMax] = [number('MAILMAX'), number('RCPTMAX'), number('RCPTDOMAINMAX')]
  return {
    ...(mailMax === undefined ? {} : { mailMax }),
    ...(rcptMax === undefined ? {} : { rcptMax }),
    ...(rcptDomainMax === undefined ? {} : { rcptDomainMax }),
  }
}
