/**
 * Everything that our server says, in one place: code, enhanced status (RFC 2034, RFC 3463; registered ones
 * only, RFC 5248) and a text for the person who reads the client's log. Greeting and EHLO carry no status.
 * Peer text appears in no reply. Pure.
 */
import type { EnhancedStatus } from '../smtp/enhanced-status.ts'
import type { Suppressed } from '../suppression/suppression-list.ts'
import type { AddressProblem } from './address.ts'
import type { CommandProblem } from './envelope-command.ts'

export interface Reply {
  readonly code: number
  /** Absent in the greeting, in replies to EHLO and HELO, and in 3yz replies (RFC 2034 §4). */
  readonly status?: EnhancedStatus
  readonly lines: readonly [string, ...string[]]
}

function reply(code: number, status: EnhancedStatus, text: string): Reply {
  return { code, status, lines: [text] }
}

function bare(code: number, ...lines: [string, ...string[]]): Reply {
  return { code, lines }
}

export const replies = {
  ok: reply(250, '2.0.0', 'Ok'),
  senderOk: reply(250, '2.1.0', 'Sender ok'),
  recipientOk: reply(250, '2.1.5', 'Recipient ok'),
  bye: reply(221, '2.0.0', 'Bye'),
  help: reply(214, '2.0.0', 'See RFC 5321'),
  cannotVerify: reply(252, '2.0.0', 'Addresses are not verified here; send the message'),
  startTls: reply(220, '2.0.0', 'Ready to start TLS'),
  authenticated: reply(235, '2.7.0', 'Authentication succeeded'),
  sendContent: bare(354, 'End with <CR><LF>.<CR><LF>'),

  lineTooLong: reply(500, '5.5.2', 'Line too long'),
  authLineTooLong: reply(500, '5.5.6', 'Authentication exchange line is too long'),
  bareLineFeed: reply(500, '5.5.2', 'Lines end with CRLF; a bare LF was received, closing the connection'),
  controlCharacter: reply(500, '5.5.2', 'Control character in a command line'),
  notUtf8: reply(500, '5.5.2', 'A command line is neither ASCII nor UTF-8'),
  unknownCommand: reply(500, '5.5.1', 'Command not recognised'),
  notImplemented: reply(502, '5.5.1', 'Command not implemented'),
  bdatNotOffered: reply(502, '5.5.1', 'CHUNKING is not offered, closing the connection'),
  noArguments: reply(501, '5.5.4', 'This command takes no argument'),
  needsArgument: reply(501, '5.5.4', 'This command needs an argument'),
  badEhlo: bare(501, 'Syntax: EHLO followed by a host name or an address literal'),
  ehloFirst: reply(503, '5.5.1', 'Send EHLO first'),
  alreadyInTransaction: reply(503, '5.5.1', 'A transaction is open; finish it or send RSET'),
  mailFirst: reply(503, '5.5.1', 'Send MAIL first'),
  noRecipients: reply(503, '5.5.1', 'No valid recipients'),
  dataPipelined: reply(503, '5.5.1', 'Content was sent before the reply to DATA, closing the connection'),
  tlsPipelined: reply(503, '5.5.1', 'Input was sent behind STARTTLS, closing the connection'),
  tlsActive: reply(503, '5.5.1', 'TLS is active already'),
  tlsRequired: reply(530, '5.7.0', 'Send STARTTLS first'),
  requireTlsInClear: reply(530, '5.7.0', 'REQUIRETLS needs a session inside TLS'),
  authRequired: reply(530, '5.7.0', 'Authentication required'),
  relayDenied: reply(554, '5.7.1', 'Relay access denied'),
  authNeedsTls: reply(538, '5.7.11', 'Encryption required for authentication'),
  authUnavailable: reply(502, '5.5.1', 'Authentication is not available on this port'),
  authTwice: reply(503, '5.5.1', 'Already authenticated'),
  authMechanism: reply(504, '5.5.4', 'Unknown authentication mechanism'),
  authSyntax: reply(501, '5.5.4', 'Bad authentication exchange'),
  authBase64: reply(501, '5.5.2', 'Invalid base64'),
  authCancelled: reply(501, '5.7.0', 'Authentication cancelled'),
  authInvalid: reply(535, '5.7.8', 'Authentication credentials invalid'),
  authBusy: reply(454, '4.7.0', 'Temporary authentication failure, try again later'),
  authTooMany: reply(421, '4.7.0', 'Too many failed authentications, closing the connection'),
  senderTakesNoMail: reply(550, '5.7.27', 'The domain of this sender declares that it takes no mail (null MX)'),
  recipientTakesNoMail: reply(556, '5.1.10', 'The domain of this recipient declares that it takes no mail (null MX)'),
  senderNotAllowed: reply(550, '5.7.1', 'This account may not send as that address'),
  tooManyRecipients: reply(452, '4.5.3', 'Too many recipients, send the rest in another transaction'),
  intakeFull: reply(452, '4.3.1', 'Queue storage is full, try again later'),
  intakeFailing: reply(452, '4.3.0', 'Queue storage is not available, try again later'),
  quotaUnknown: reply(451, '4.3.0', 'The quota of this client cannot be read now, try again later'),
  notStored: reply(451, '4.3.0', 'The message could not be stored, try again later'),
  notSigned: reply(451, '4.7.0', 'The message could not be signed, try again later'),
  internal: reply(451, '4.3.0', 'Internal error, try again later'),
  tooLarge: reply(552, '5.3.4', 'Message exceeds the maximum message size'),

  loginWithdrawn: reply(421, '4.7.0', 'This login was removed or has another secret now, closing the connection'),
  tooManySessions: bare(421, 'Too many connections, try again later'),
  tooManySessionsFromAddress: bare(421, 'Too many connections from your address, try again later'),
  draining: reply(421, '4.3.2', 'This server takes no mail now, try another one or later'),
  earlyTalker: bare(554, 'Talked before the greeting'),
  tooManyBadCommands: reply(421, '4.7.0', 'Too many errors, closing the connection'),
  tooManyCommands: reply(421, '4.7.0', 'Too many commands without a message, closing the connection'),
  idle: reply(421, '4.4.2', 'Idle for too long, closing the connection'),
  tooSlow: reply(421, '4.4.2', 'Input arrives too slowly, closing the connection'),
  internalEnd: reply(421, '4.3.0', 'Internal error, closing the connection'),
  shuttingDown: reply(421, '4.3.2', 'Shutting down, closing the connection'),
} as const satisfies Record<string, Reply>

/** RFC 2034 §4: the same status on every line. */
export function wireForm({ code, status, lines }: Reply): string {
  const prefix = status === undefined ? '' : `${status} `
  const last = lines.length - 1
  return lines.map((line, index) => `${code}${index < last ? '-' : ' '}${prefix}${line}\r\n`).join('')
}

/** The first line, for logs. */
export function replyText(reply: Reply): string {
  return [reply.code, reply.status, reply.lines[0]].filter((part) => part !== undefined).join(' ')
}

export function greeting(hostname: string): Reply {
  return bare(220, `${hostname} ESMTP Hermetic`)
}

export function ehloReply(hostname: string, keywords: readonly string[]): Reply {
  return bare(250, hostname, ...keywords)
}

/** RFC 4954 §4: a challenge, in base64. */
export function challenge(text: string): Reply {
  return bare(334, Buffer.from(text).toString('base64'))
}

export function queuedReply(id: string): Reply {
  return reply(250, '2.0.0', `Ok: queued as ${id}`)
}

/** RFC 6710 §4.1: the text begins with the priority that the message has now. */
export function reprioritisedReply(id: string, priority: number): Reply {
  return reply(250, '2.3.6', `${priority} is the priority of this message. Ok: queued as ${id}`)
}

/** The address is on our own list; what its server said is told by status only. */
export function suppressedReply({ by, until, status }: Pick<Suppressed, 'by' | 'until' | 'status'>): Reply {
  const end = new Date(until).toISOString().slice(0, 10)
  const said = status === undefined ? '' : ` (${status})`
  const why = by === 'operator' ? 'by an operator' : `because its servers refused mail for it${said}`
  return reply(550, '5.7.1', `This recipient is suppressed until ${end}, ${why}`)
}

/** RFC 5321 §4.3.2: DATA may be answered 450 for reasons of policy. */
export function quotaReply(
  { of, counts }: { readonly of: 'login' | 'network'; readonly counts: 'messages' | 'recipients' },
  retryAfterMs: number,
): Reply {
  const whose = of === 'login' ? 'this account' : 'your network'
  const seconds = Math.ceil(retryAfterMs / 1000)
  return reply(450, '4.7.1', `Too many ${counts} from ${whose}, try again in ${seconds} s`)
}

/** The reply to content that will not be relayed as it is. */
export function contentRefusal(problem: ContentProblem): Reply {
  switch (problem) {
    case 'too-large':
      return replies.tooLarge
    case 'header-too-large':
      return reply(552, '5.3.4', 'Message header is too large')
    case 'loop':
      return reply(554, '5.4.6', 'Too many Received fields: a mail loop')
    case 'author-not-allowed':
      return reply(550, '5.7.1', 'This account may not send mail with that address in From or Sender')
    default:
      return reply(550, '5.6.0', CONTENT_TEXT[problem])
  }
}

/** Why content was refused after its real end. */
export type ContentProblem =
  | keyof typeof CONTENT_TEXT
  | 'too-large'
  | 'header-too-large'
  | 'loop'
  | 'author-not-allowed'

const CONTENT_TEXT = {
  'bare-carriage-return': 'Bare CR in the message',
  'bare-line-feed': 'Bare LF in the message',
  'nul-octet': 'NUL in the message',
  'line-too-long': 'A line of the message is longer than 998 octets',
  'malformed-header': 'A header line is not a field',
  'missing-from': 'The From field is missing',
  'empty-from': 'The From field names no mailbox',
  'missing-sender': 'Several From mailboxes need a Sender field',
  'duplicate-field': 'A header field that may occur once is repeated',
  'header-not-utf8': 'The header is neither ASCII nor UTF-8',
  'eight-bit-without-mime': '8-bit content needs a MIME-Version field',
} as const

/** RFC 5321 §4.1.1.11 and RFC 3463 §3.2: which of the two paths was wrong decides the detail. */
export function commandRefusal(problem: CommandProblem, path: 'reverse' | 'forward'): Reply {
  switch (problem.kind) {
    case 'syntax':
      return reply(501, '5.5.2', path === 'reverse' ? 'Syntax: MAIL FROM:<address>' : 'Syntax: RCPT TO:<address>')
    case 'unknown-parameter':
      return reply(555, '5.5.4', 'A parameter of the command is not supported')
    case 'duplicate-parameter':
      return reply(501, '5.5.4', 'A parameter of the command is repeated')
    case 'bad-parameter':
      return reply(501, '5.5.4', PARAMETER_SYNTAX.get(problem.keyword) ?? 'A parameter of the command has a bad value')
    case 'needs-tls':
      return replies.requireTlsInClear
    case 'address':
      return addressRefusal(problem.problem, path)
  }
}

/** For those that people write into settings by hand. */
const PARAMETER_SYNTAX: ReadonlyMap<string, string> = new Map([
  ['RET', 'Syntax: RET=FULL or RET=HDRS'],
  ['ENVID', 'Syntax: ENVID=id, at most 100 characters, printable, in xtext'],
  ['NOTIFY', 'Syntax: NOTIFY=NEVER, or any of SUCCESS,FAILURE,DELAY'],
  ['ORCPT', 'Syntax: ORCPT=type;address, at most 500 characters, printable, in xtext'],
])

function addressRefusal(problem: AddressProblem, path: 'reverse' | 'forward'): Reply {
  switch (problem) {
    case 'non-ascii':
      // RFC 6531 §3.5
      return reply(553, '5.6.7', 'A non-ASCII address needs the SMTPUTF8 parameter')
    case 'invalid-domain':
    case 'unqualified-domain':
    case 'domain-too-long':
      return reply(501, path === 'reverse' ? '5.1.8' : '5.1.2', DOMAIN_TEXT[problem])
    default:
      return reply(501, path === 'reverse' ? '5.1.7' : '5.1.3', 'Bad address syntax')
  }
}

const DOMAIN_TEXT = {
  'invalid-domain': 'The domain of the address is not valid',
  'unqualified-domain': 'The domain of the address must be fully qualified',
  'domain-too-long': 'The domain of the address is too long',
} as const
