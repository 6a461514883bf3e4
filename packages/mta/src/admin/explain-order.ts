/**
 * The order `explain` over `admin.sock`: what the command line may ask, checked, and the client's side of it. The
 * relay explains by its own cache, resolver and place in the network; whoever hangs up ends the work.
 */
import { type Explanation, err, ok, parseDomainName, type Result } from '@hermetic/policy'
import type { Busy, Explain, ExplainRequest } from '../explain/explainer.ts'
import { formatDomain, type MailDomain, parseLiteral } from '../smtp/mail-address.ts'
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
  const fields = fieldsOf(body, ['destination', 'connect'])
  if (!fields.ok) return fields
  const { destination, connect } = fields.value
  if (typeof connect !== 'boolean') return err('connect: not a boolean')
  if (typeof destination !== 'string' || destination.length > DESTINATION_MAX) return err('destination: not a domain')
  const parsed = parseDestination(destination)
  return parsed === undefined ? err('destination: not a domain') : ok({ destination: parsed, connect })
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
  return async ({ destination, connect }) => {
    const answer = await ask<ExplainAnswer>('/explain', { destination: formatDomain(destination), connect })
    return answer.kind === 'explained' ? ok(answer.explanation) : err(answer)
  }
}
