/**
 * What a person reads about a failed delivery: what happened, and what can be done. Pure.
 *
 * One sentence for each member of `DeliveryCause`; the machine-readable facts are in `delivery-status.ts`.
 * Everything a peer or DNS said goes through `printable`.
 */
import { assertNever } from '@hermetic/policy'
import type { DeliveryCause, DeliveryProblem, RemoteHost } from '../delivery/outcome.ts'
import type { SmtpPhase } from '../smtp/phase.ts'
import { formatReply, replyClass, type SmtpReply } from '../smtp/reply.ts'
import type { Explanation } from './explanation.ts'
import { printable, printableUtf8 } from './header-text.ts'
import { tlsRefusal } from './tls-refusal-text.ts'

/** Enough for the sentences that servers write, and for the links in them. */
export const PEER_TEXT_LIMIT = 500

const ASK_THEM = 'If the problem lasts, tell the recipient by other means: only their side can mend it.'
const ASK_US = 'Please pass this message on to the postmaster named below: only this side can mend it.'

function explainCause(cause: DeliveryCause, remote: RemoteHost | undefined): Explanation {
  const server = serverName(remote)
  switch (cause.kind) {
    case 'dns-failure': {
      const what = cause.lookup === 'mx' ? 'which servers take mail for' : 'the address of'
      return { what: `The DNS did not answer the question ${what} ${shown(cause.name)}.`, advice: ASK_THEM }
    }
    case 'domain-not-found':
      return {
        what: `The domain ${shown(cause.name)} does not exist.`,
        advice: 'Check the part of the address after the @ for typing errors.',
      }
    case 'null-mx':
      return {
        what: `The domain ${shown(cause.name)} declares that it takes no mail at all.`,
        advice: 'Check the part of the address after the @, or reach the recipient by other means.',
      }
    case 'no-address':
      return {
        what: `None of the mail servers of the destination has an address in the DNS: ${shownList(cause.names)}.`,
        advice: ASK_THEM,
      }
    case 'address-refused':
      return {
        what: `The destination names only addresses that this relay must not contact: ${shownList(cause.addresses)}.`,
        advice: 'Check the address. If it is meant to be reachable, ask the postmaster named below.',
      }
    case 'mail-loop':
      return { what: `The mail for ${shown(cause.name)} leads back to this relay, in a loop.`, advice: ASK_US }
    case 'connect-failed':
      return { what: `No connection to ${server} could be made (${shown(cause.code)}).`, advice: ASK_THEM }
    case 'timeout':
      return { what: `${capital(server)} did not answer in time ${PHASE[cause.phase]}.`, advice: ASK_THEM }
    case 'connection-lost':
      return {
        what: `The connection to ${server} broke ${PHASE[cause.phase]} (${shown(cause.code)}).`,
        advice: ASK_THEM,
      }
    case 'protocol-violation':
      return {
        what: `${capital(server)} answered ${PHASE[cause.phase]} in a way that is not SMTP: ${shown(cause.detail)}.`,
        advice: ASK_THEM,
      }
    case 'reply':
      return explainReply(cause.phase, cause.reply, server)
    default:
      return explainOwnDecision(cause, server)
  }
}

/** The causes in which this relay, not the network or the peer, decided. */
function explainOwnDecision(
  cause: Extract<
    DeliveryCause,
    {
      kind:
        | 'tls-policy'
        | 'policy-unavailable'
        | 'login-failed'
        | 'suppressed'
        | 'cancelled'
        | 'hosts-left'
        | 'not-tried'
        | 'route-changed'
        | 'extension-missing'
        | 'too-large'
        | 'expired'
        | 'content-unreadable'
        | 'stopped'
        | 'internal'
    }
  >,
  server: string,
): Explanation {
  switch (cause.kind) {
    case 'tls-policy':
      return tlsRefusal(cause, server)
    case 'policy-unavailable':
      return {
        what: `This relay could not find out what encryption the domain ${shown(cause.policyDomain)} demands (${shown(cause.because)}).`,
        advice: ASK_US,
      }
    case 'login-failed':
      return { what: `${capital(server)}, through which this relay sends, did not let it log in.`, advice: ASK_US }
    case 'suppressed':
      return explainSuppressed(cause)
    case 'cancelled':
      return {
        what: 'The operator of this relay took the message out of its queue before it was delivered.',
        advice: 'Ask the postmaster named below for the reason.',
      }
    case 'hosts-left':
      return {
        what: 'The destination names so many mail servers that not all of them could be asked.',
        advice: ASK_THEM,
      }
    case 'not-tried':
      return {
        what: 'This relay could not try to deliver it yet: mail for the destination waits for its turn here.',
        advice: ASK_US,
      }
    case 'route-changed':
      return { what: 'It was to take another way, and was not sent on it yet.', advice: ASK_US }
    case 'extension-missing':
      return { what: `${capital(server)} ${MISSING[cause.extension]}.`, advice: ASK_THEM }
    case 'too-large':
      return {
        what: `The message has ${cause.size} octets, and ${server} takes at most ${cause.limit}.`,
        advice: 'Send a smaller message, for instance with a link instead of an attachment.',
      }
    case 'expired':
      return { what: 'It was tried again and again, and the time for that is over.' }
    case 'content-unreadable':
      return { what: 'This relay could not read the stored message any more.', advice: `Send it again. ${ASK_US}` }
    case 'stopped':
      return { what: 'The delivery was stopped while this relay was shutting down.', advice: 'Send it again.' }
    case 'internal':
      return { what: `This relay failed by a defect of its own: ${shown(cause.detail)}.`, advice: ASK_US }
    default:
      return assertNever(cause)
  }
}

function explainSuppressed({ by, until, refusal }: Extract<DeliveryCause, { kind: 'suppressed' }>): Explanation {
  const end = new Date(until).toISOString().slice(0, 10)
  const said = refusal === undefined ? '' : ` (${refusal})`
  const why = by === 'operator' ? 'its operator said so' : `the servers of the recipient refused mail for it${said}`
  return {
    what: `This relay sends nothing to this address until ${end}, because ${why}.`,
    advice:
      'Check the address. If it is right and takes mail again, ask the postmaster named below to take it off the list.',
  }
}

/** The problem whose text matters: behind an expiry, the last one that was met (DSN-13). */
export function actualCause(cause: DeliveryCause): DeliveryCause {
  return cause.kind === 'expired' && cause.last !== undefined ? actualCause(cause.last) : cause
}

/** The last actual problem, without the age that ended it. */
export function explainActual(problem: DeliveryProblem): Explanation {
  return explainCause(actualCause(problem.cause), problem.remote)
}

/** What is told about a problem that ended by age: the expiry first, then the last actual problem. */
export function explainWithHistory(problem: DeliveryProblem): readonly Explanation[] {
  const { what, ...rest } = explainActual(problem)
  if (problem.cause.kind !== 'expired' || problem.cause.last === undefined) return [{ what, ...rest }]
  return [explainCause(problem.cause, problem.remote), { what: `The last problem was: ${what}`, ...rest }]
}

function explainReply(phase: SmtpPhase, reply: SmtpReply, server: string): Explanation {
  return {
    what: `${capital(server)} ${replyClass(reply) === 'transient' ? 'put off' : 'refused'} ${REFUSED[phase]}. It said:`,
    quote: printableUtf8(formatReply(reply), PEER_TEXT_LIMIT),
    advice:
      ADVICE_BY_SUBJECT[subjectOf(reply)] ?? 'The reason is in the words of that server; its postmaster can tell more.',
  }
}

/** RFC 3463 §2: subject and detail, without the class. */
function subjectOf(reply: SmtpReply): string {
  return reply.enhancedStatus?.slice(2) ?? ''
}

// RFC 3463 §3: the few cases in which the sender can do something.
const ADVICE_BY_SUBJECT: { readonly [subject: string]: string } = {
  '1.1': 'There is no such mailbox there: check the address for typing errors.',
  '1.2': 'There is no such domain there: check the part of the address after the @.',
  '1.3': 'The address is not well-formed for that server: check it for typing errors.',
  '1.6': 'The mailbox has moved: ask the recipient for the new address.',
  '2.1': 'The mailbox is switched off: reach the recipient by other means.',
  '2.2': 'The mailbox is full: tell the recipient by other means, and send again later.',
  '2.3': 'Send a smaller message.',
  '3.4': 'Send a smaller message.',
}

const PHASE: Record<SmtpPhase, string> = {
  connect: 'while the connection was being made',
  greeting: 'before it had greeted',
  ehlo: 'after our greeting',
  starttls: 'when encryption was asked for',
  'tls-handshake': 'while encryption was being set up',
  auth: 'when this relay logged in',
  mail: 'when the sender was named',
  rcpt: 'when the recipients were named',
  data: 'when the message was announced',
  content: 'while the message was being sent',
  'final-dot': 'after the message had been sent',
  rset: 'between two messages',
  quit: 'at the end of the session',
}

const REFUSED: Record<SmtpPhase, string> = {
  connect: 'the connection',
  greeting: 'the connection',
  ehlo: 'our greeting',
  starttls: 'to encrypt',
  'tls-handshake': 'to encrypt',
  auth: 'the login of this relay',
  mail: 'the sender',
  rcpt: 'this recipient',
  data: 'the message',
  content: 'the message',
  'final-dot': 'the message after reading it',
  rset: 'the session',
  quit: 'the session',
}

const MISSING: Record<Extract<DeliveryCause, { kind: 'extension-missing' }>['extension'], string> = {
  '8BITMIME': 'takes only seven-bit text (no 8BITMIME), and this message holds more',
  SMTPUTF8: 'cannot take internationalised addresses or headers (no SMTPUTF8)',
  REQUIRETLS: 'does not promise to keep this message encrypted on its way (no REQUIRETLS), as you demanded',
}

function serverName(remote: RemoteHost | undefined): string {
  return remote === undefined
    ? 'the mail server'
    : `the mail server ${shown(remote.mxHostname)} [${shown(remote.address)}]`
}

const NAMES_SHOWN = 4

function shownList(names: readonly string[]): string {
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''
  return `${names.slice(0, NAMES_SHOWN).map(shown).join(', ')}${more}`
}

/** A name, code or detail inside a sentence. */
function shown(text: string): string {
  return printable(text, 255)
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
