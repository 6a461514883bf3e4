/**
 * The MAIL and RCPT commands: RFC 5321 §4.1.1.2–3 with the parameters of SIZE (RFC 1870), 8BITMIME (RFC 6152),
 * SMTPUTF8 (RFC 6531), AUTH (RFC 4954 §5), REQUIRETLS (RFC 8689 §2), MT-PRIORITY (RFC 6710 §3) and DSN (RFC 3461 §4). Pure.
 *
 * A parameter of an extension that was not offered is unknown (RFC 5321 §4.1.1.11). Whether the sender may use
 * the address, and how large a message may be, is decided elsewhere.
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { DsnEnvelope, NotifyCondition } from '../smtp/envelope.ts'
import { type AddressProblem, type ParsedPath, parsePath } from './address.ts'
import { parsePriority } from './priority.ts'

/** The extensions in force in this session, as far as they add parameters. SIZE, 8BITMIME and SMTPUTF8 always are. */
export interface OfferedParameters {
  readonly dsn: boolean
  readonly auth: boolean
  readonly priority: boolean
  /** `in-clear`: honoured, but not offered before TLS. */
  readonly requireTls: 'offered' | 'in-clear' | 'off'
}

export interface MailCommand {
  readonly path: ParsedPath
  readonly smtpUtf8: boolean
  readonly body: '7bit' | '8bitmime' | undefined
  /** As declared; up to 20 digits, so it may exceed what a number holds exactly. */
  readonly size: number | undefined
  readonly requireTls: boolean
  readonly priority: number | undefined
  readonly dsn: DsnEnvelope
}

export interface RcptCommand {
  readonly path: ParsedPath
  readonly notify?: readonly NotifyCondition[]
  readonly orcpt?: string
}

export type CommandProblem =
  | { readonly kind: 'syntax' }
  | { readonly kind: 'address'; readonly problem: AddressProblem }
  | { readonly kind: 'unknown-parameter'; readonly keyword: string }
  | { readonly kind: 'duplicate-parameter'; readonly keyword: string }
  | { readonly kind: 'bad-parameter'; readonly keyword: string }
  /** The parameter is for sessions inside TLS. */
  | { readonly kind: 'needs-tls'; readonly keyword: string }

type Parameters = ReadonlyMap<string, string | undefined>

// RFC 5321 §4.1.2 esmtp-keyword and esmtp-value, the latter with RFC 6531 §3.3's UTF-8.
const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e\u0080-\u{10ffff}]+))?$/u
const SIZE = /^\d{1,20}$/
// RFC 3461 §4: xtext, and in addresses the unitext forms of RFC 6533 §3 as well.
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/
const ORCPT = /^[A-Za-z0-9-]+;(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/
const ORCPT_UTF8 = /^utf-8;(?:[!-*,-<>-~\u0080-\u{10ffff}]|\+[0-9A-F]{2})+$/iu
/** RFC 3461 §5.4, in octets. */
const ENVID_OCTETS_MAX = 100
const ORCPT_OCTETS_MAX = 500

/** `line` is the whole command line without its CRLF. */
export function parseMailCommand(line: string, offered: OfferedParameters): Result<MailCommand, CommandProblem> {
  const split = splitCommand(line, /^MAIL FROM: */i)
  if (!split.ok) return split
  const { argument } = split.value
  // SMTPUTF8 stands behind the path and decides how the path is read; a quoted local part may look like it.
  const guess = / SMTPUTF8(?: |$)/i.test(argument)
  const first = readPath(argument, guess)
  const rest = first.ok && guess && !first.value.parameters.has('SMTPUTF8') ? readPath(argument, false) : first
  if (!rest.ok) return rest
  const { path, parameters } = rest.value
  const bad = firstProblem(parameters, (keyword, value) => mailParameterFault(keyword, value, offered))
  if (bad !== undefined) return err(bad)
  const size = parameters.get('SIZE')
  const envid = parameters.get('ENVID')
  const ret = parameters.get('RET')?.toUpperCase()
  const body = parameters.get('BODY')?.toLowerCase()
  const priority = parameters.get('MT-PRIORITY')
  return ok({
    path,
    smtpUtf8: parameters.has('SMTPUTF8'),
    body: body === '8bitmime' || body === '7bit' ? body : undefined,
    size: size === undefined ? undefined : Number(size),
    requireTls: parameters.has('REQUIRETLS'),
    priority: priority === undefined ? undefined : parsePriority(priority),
    dsn: {
      ...(envid === undefined ? {} : { envid }),
      ...(ret === 'FULL' || ret === 'HDRS' ? { ret } : {}),
    },
  })
}

export function parseRcptCommand(
  line: string,
  offered: OfferedParameters,
  options: { readonly utf8: boolean },
): Result<RcptCommand, CommandProblem> {
  const split = splitCommand(line, /^RCPT TO: */i)
  if (!split.ok) return split
  const rest = readPath(split.value.argument, options.utf8)
  if (!rest.ok) return rest
  const { path, parameters } = rest.value
  if (path.kind === 'null') return err({ kind: 'address', problem: 'syntax' })
  const bad = firstProblem(parameters, (keyword, value) => rcptParameterFault(keyword, value, offered, options.utf8))
  if (bad !== undefined) return err(bad)
  const notify = parameters.get('NOTIFY')
  const orcpt = parameters.get('ORCPT')
  return ok({
    path,
    ...(notify === undefined ? {} : { notify: notify.toUpperCase().split(',') as NotifyCondition[] }),
    ...(orcpt === undefined ? {} : { orcpt }),
  })
}

/** Trailing white space is tolerated (RFC 5321 §4.1.1); a blank before the bracket is a common slip and harmless. */
function splitCommand(line: string, prefix: RegExp): Result<{ readonly argument: string }, CommandProblem> {
  const match = prefix.exec(line)
  return match === null ? err({ kind: 'syntax' }) : ok({ argument: line.slice(match[0].length).replace(/[ \t]+$/, '') })
}

function readPath(
  argument: string,
  utf8: boolean,
): Result<{ readonly path: ParsedPath; readonly parameters: Parameters }, CommandProblem> {
  const parsed = parsePath(argument, { utf8 })
  if (!parsed.ok) return err({ kind: 'address', problem: parsed.error })
  const tail = argument.slice(parsed.value.end)
  if (tail !== '' && !tail.startsWith(' ')) return err({ kind: 'address', problem: 'syntax' })
  const parameters = new Map<string, string | undefined>()
  for (const word of tail.split(' ')) {
    if (word === '') continue
    const [, keyword, value] = PARAMETER.exec(word) ?? []
    if (keyword === undefined) return err({ kind: 'bad-parameter', keyword: '' })
    const name = keyword.toUpperCase()
    if (parameters.has(name)) return err({ kind: 'duplicate-parameter', keyword: name })
    parameters.set(name, value)
  }
  return ok({ path: parsed.value.path, parameters })
}

type Fault = 'unknown-parameter' | 'bad-parameter' | 'needs-tls' | undefined

function firstProblem(
  parameters: Parameters,
  fault: (keyword: string, value: string | undefined) => Fault,
): CommandProblem | undefined {
  for (const [keyword, value] of parameters) {
    const kind = fault(keyword, value)
    if (kind !== undefined) return { kind, keyword }
  }
  return undefined
}

function mailParameterFault(keyword: string, value: string | undefined, offered: OfferedParameters): Fault {
  switch (keyword) {
    case 'SIZE':
      return good(value !== undefined && SIZE.test(value))
    case 'BODY':
      return good(value !== undefined && /^(?:7BIT|8BITMIME)$/i.test(value))
    case 'SMTPUTF8':
      return good(value === undefined)
    case 'AUTH':
      // RFC 4954 §5: a hint about the original submitter that nobody here trusts; read, then dropped.
      return offered.auth ? good(value !== undefined && (value === '<>' || XTEXT.test(value))) : 'unknown-parameter'
    case 'REQUIRETLS':
      return requireTlsFault(value, offered.requireTls)
    case 'MT-PRIORITY':
      return offered.priority ? good(value !== undefined && parsePriority(value) !== undefined) : 'unknown-parameter'
    case 'RET':
      return offered.dsn ? good(value !== undefined && /^(?:FULL|HDRS)$/i.test(value)) : 'unknown-parameter'
    case 'ENVID':
      return offered.dsn ? good(value !== undefined && isEnvid(value)) : 'unknown-parameter'
    default:
      return 'unknown-parameter'
  }
}

/** RFC 8689 §2: no value, and never in clear. */
function requireTlsFault(value: string | undefined, offered: OfferedParameters['requireTls']): Fault {
  if (offered === 'off') return 'unknown-parameter'
  if (value !== undefined) return 'bad-parameter'
  return offered === 'in-clear' ? 'needs-tls' : undefined
}

function rcptParameterFault(
  keyword: string,
  value: string | undefined,
  offered: OfferedParameters,
  utf8: boolean,
): Fault {
  if (!offered.dsn) return 'unknown-parameter'
  if (keyword === 'NOTIFY') return good(value !== undefined && isNotify(value))
  if (keyword !== 'ORCPT') return 'unknown-parameter'
  if (value === undefined || Buffer.byteLength(value) > ORCPT_OCTETS_MAX) return 'bad-parameter'
  return good(isPrintable(value) && (ORCPT.test(value) || (utf8 && ORCPT_UTF8.test(value))))
}

function isEnvid(value: string): boolean {
  return value.length <= ENVID_OCTETS_MAX && XTEXT.test(value) && isPrintable(value)
}

/** RFC 3461 §4.4, §4.2: what xtext stands for is printable ASCII, so that it can stand in a notification. */
function isPrintable(xtext: string): boolean {
  return [...xtext.matchAll(/\+([0-9A-F]{2})/g)].every(([, hex = '']) => {
    const code = Number.parseInt(hex, 16)
    return code >= 0x20 && code <= 0x7e
  })
}

/** RFC 3461 §4.1: NEVER stands alone; the others may be combined, each once. */
function isNotify(value: string): boolean {
  const conditions = value.toUpperCase().split(',')
  if (conditions.length === 1 && conditions[0] === 'NEVER') return true
  return (
    new Set(conditions).size === conditions.length &&
    conditions.every((condition) => /^(?:SUCCESS|FAILURE|DELAY)$/.test(condition))
  )
}

function good(holds: boolean): Fault {
  return holds ? undefined : 'bad-parameter'
}
