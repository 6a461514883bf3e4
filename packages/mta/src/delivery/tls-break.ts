/**
 * How TLS with a host broke, from STARTTLS to the first reply inside TLS: what the fallbacks, the log and reports know of
 * it. Told by codes, never by texts of the peer. Pure.
 */
import { endedWithoutAlert, receivedAlert, type TlsFailure } from '@hermetic/policy'
import type { SessionProblem } from '../smtp/session-problem.ts'

export interface TlsBreak {
  /** For the log and for notifications. */
  readonly failure: string
  /** Of TLS itself, when it said so. */
  readonly tls?: TlsFailure
  /** The host ended the session by its reply to STARTTLS: 421. */
  readonly reply?: number
}

/** Undefined: we ended it ourselves. */
export function tlsBreakOf(problem: SessionProblem): TlsBreak | undefined {
  if (problem.kind === 'stopped') return undefined
  if (problem.kind === 'reply') return { failure: problem.kind, reply: problem.reply.code }
  const tls = tlsFailureOf(problem)
  if (tls === undefined) return { failure: problem.kind }
  return tls.kind === 'aborted' ? undefined : { failure: failureText(tls), tls }
}

/** In TLS 1.3 an alert about our part of the handshake may come when it already seemed to be over. */
function tlsFailureOf(problem: SessionProblem): TlsFailure | undefined {
  if (problem.kind === 'connection-lost') return receivedAlert(problem.code)
  return problem.kind === 'tls' ? problem.failure : undefined
}

export function brokeWithoutAlert({ tls }: TlsBreak): boolean {
  return tls !== undefined && endedWithoutAlert(tls)
}

function failureText(failure: TlsFailure): string {
  if (failure.kind === 'alert') return `alert ${failure.alert}`
  return failure.kind === 'reset' || failure.kind === 'other' ? `${failure.kind} ${failure.code}` : failure.kind
}
