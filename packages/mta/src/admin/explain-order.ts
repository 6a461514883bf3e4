/**
 * The order `explain` over `admin.sock`: what the command line may ask, checked, and the client's side of it. The
 * relay explains by its own cache, resolver and place in the network; whoever hangs up ends the work.
 */
import { type Explanation, err, ok, parseDomainName, type Result } from '@hermetic/policy'
import type { Busy, Explain, ExplainRequest } from '../explain/explainer.ts'
import {
  formatDomain,
  formatReversePath,
  type MailDomain,
  nullReversePath,
  parseLiteral,
  type ReversePath,
} from '../smtp/mail-address.ts'
import { parseMailbox } from '../submission/address.ts'
import { isTag } from '../submission/tag-field.ts'
import type { Ask, ControlOrder } from './control-order.ts'
import { fieldsOf } from './control-protocol.ts'

export type ExplainAnswer = { readonly kind: 'explained'; readonly explanation: Explanation } | Busy

/** RFC 1035 §2.3.4, with brackets and a prefix to spare. */
const DESTINATION_MAX = 300

/** Absent: this process cannot explain. With `connect` strangers are dialled, who see that. */
export function explainOrder(explain: Explain | undefined): ControlOrder {
  return {
    path: '/explain',
    role: 'read',
    parse: (body) => {
      if (explain === undefined) return err('this process cannot explain')
      const request = parseExplainRequest(body)
      return request.ok ? ok((signal) => carryOut(explain, request.value, signal)) : request
    },
  }
}

function parseExplainRequest(body: unknown): Result<ExplainRequest, string> {
  const fields = fieldsOf(body, ['destination', 'connect', 'sender', 'tag', 'attempt'])
  if (!fields.ok) return fields
  const { destination, connect, ...asked } = fields.value
  if (typeof connect !== 'boolean') return err('connect: not a boolean')
  if (typeof destination !== 'string' || destination.length > DESTINATION_MAX) return err('destination: not a domain')
  const parsed = parseDestination(destination)
  if (parsed === undefined) return err('destination: not a domain')
  const mail = parseAskedMail(asked)
  return mail.ok ? ok({ destination: parsed, connect, mail: mail.value }) : mail
}

/** Whose mail routes are asked about; `<>` is the null reverse-path. */
export function parseAskedMail({
  sender,
  tag,
  attempt,
}: Readonly<Record<string, unknown>>): Result<NonNullable<ExplainRequest['mail']>, string> {
  const from = sender === undefined ? undefined : parseSender(sender)
  if (sender !== undefined && from === undefined) return err('sender: not a mail address or <>')
  if (tag !== undefined && (typeof tag !== 'string' || !isTag(tag))) return err('tag: not a tag')
  if (attempt !== undefined && !isAttempt(attempt)) return err('attempt: not a number from 1 on')
  return ok({
    ...(from === undefined ? {} : { sender: from }),
    ...(tag === undefined ? {} : { tag }),
    ...(attempt === undefined ? {} : { attempt }),
  })
}

function parseSender(text: unknown): ReversePath | undefined {
  if (typeof text !== 'string') return undefined
  if (text === '<>') return nullReversePath
  const mailbox = parseMailbox(text)
  return mailbox.ok ? mailbox.value : undefined
}

function isAttempt(value: unknown): value is number {
  return Number.isSafeInteger(value) && typeof value === 'number' && value >= 1
}

/** A domain name, or an address in brackets. */
export function parseDestination(text: string): MailDomain | undefined {
  const literal = parseLiteral(text)
  if (literal !== undefined) return literal
  const name = parseDomainName(text)
  return name.ok ? { kind: 'name', name: name.value } : undefined
}

async function carryOut(explain: Explain, request: ExplainRequest, signal: AbortSignal): Promise<ExplainAnswer> {
  const explained = await explain(request, signal)
  return explained.ok ? { kind: 'explained', explanation: explained.value } : explained.error
}

/** The running relay's, for the command line. */
export function explainClient(ask: Ask): Explain {
  return async ({ destination, connect, mail = {} }) => {
    const { sender, ...asked } = mail
    const from = sender === undefined ? {} : { sender: formatReversePath(sender) || '<>' }
    const request = { destination: formatDomain(destination), connect, ...asked, ...from }
    const answer = await ask<ExplainAnswer>('/explain', request)
    return answer.kind === 'explained' ? ok(answer.explanation) : err(answer)
  }
}
