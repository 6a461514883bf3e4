/** A command line of a client, taken apart (RFC 5321 §4.1.1), and which commands may come before others. Pure. */

export interface SessionCommand {
  /** In capitals. */
  readonly verb: string
  readonly argument: string
  /** The whole line. */
  readonly text: string
  /** Input behind it has arrived already. */
  readonly more: boolean
}

// RFC 3207 §4: what a client may say before STARTTLS where it is demanded.
export const BEFORE_TLS: ReadonlySet<string> = new Set(['EHLO', 'NOOP', 'QUIT', 'STARTTLS'])
export const NEEDS_EHLO: ReadonlySet<string> = new Set(['MAIL', 'RCPT', 'DATA', 'AUTH'])

export function readCommand(text: string, more: boolean): SessionCommand {
  const space = text.indexOf(' ')
  const verb = (space === -1 ? text : text.slice(0, space)).toUpperCase()
  return { verb, argument: space === -1 ? '' : text.slice(space + 1).trim(), text, more }
}
