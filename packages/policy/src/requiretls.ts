/**
 * What becomes of a REQUIRETLS message when a host could not take it (RFC 8689 §4.2.1, conformance Table C).
 *
 * Each host that was passed over is either a definitive failure of REQUIRETLS or one that may pass; the message is given
 * up only when all are definitive (D-9). Failures of the destination's own policies stay transient, for REQUIRETLS comes
 * on top of them (RTLS-22). Whose turn it is, and the notification, are delivery's business. Pure.
 */

import type { ProofRequirement, UnreachableReason } from './requirement.ts'
import { type MessageTls, REQUIRETLS_ENDS } from './requirement-tables.ts'
import { assertNever } from './result.ts'
import type { Channel, VerdictReason } from './verdict.ts'

/** RTLS-06, RTLS-07: the parameter wins, and the field is then only relayed. */
export function messageTls(asked: { readonly parameter: boolean; readonly tlsRequiredNo: boolean }): MessageTls {
  if (asked.parameter) return 'requiretls'
  return asked.tlsRequiredNo ? 'tls-optional' : 'default'
}

/** How a host ended for one REQUIRETLS message. */
export type RequireTlsEnd =
  | { readonly kind: 'unreachable'; readonly reasons: readonly UnreachableReason[] }
  | {
      readonly kind: 'failed'
      readonly requirement: ProofRequirement
      readonly channel: Channel
      readonly reasons: readonly VerdictReason[]
    }
  /** The EHLO inside TLS does not list it (RTLS-24). */
  | { readonly kind: 'not-offered' }
  /** No connection, a timeout, 4yz, a lookup that failed: nothing that REQUIRETLS is to blame for. */
  | { readonly kind: 'transient' }

export type RequireTlsFailure =
  | { readonly kind: 'transient' }
  | {
      readonly kind: 'definitive'
      readonly status: RequireTlsStatus
      /** An enforced policy took part: the message is not given up before DNS was asked for a new one (STS-101). */
      readonly policyFirst: boolean
    }

/** RTLS-29: 5.7.30 no server supports REQUIRETLS, 5.7.10 no TLS-protected session could be had. */
export type RequireTlsStatus = '5.7.30' | '5.7.10'

const TRANSIENT = { kind: 'transient' } as const
const NOT_OFFERED = { kind: 'definitive', status: '5.7.30', policyFirst: false } as const

export function requireTlsFailure(end: RequireTlsEnd): RequireTlsFailure {
  switch (end.kind) {
    case 'transient':
      return TRANSIENT
    case 'not-offered':
      return NOT_OFFERED
    case 'unreachable':
      return unreachableFailure(end.reasons)
    case 'failed':
      return verdictFailure(end)
    default:
      return assertNever(end)
  }
}

function unreachableFailure(reasons: readonly UnreachableReason[]): RequireTlsFailure {
  const policyFirst = reasons.some(({ kind }) => kind === 'sts-mx-mismatch')
  const definitive = { kind: 'definitive', status: '5.7.10', policyFirst } as const
  const unproven = reasons.find((reason) => reason.kind === 'requiretls-name-unproven')
  // Nothing that DNS may say later about TLSA records proves the name.
  if (unproven !== undefined) return unproven.uncertain ? TRANSIENT : definitive
  const last = reasons.every(
    ({ kind }) => kind === 'requiretls-name-unproven' || REQUIRETLS_ENDS[kind] === 'definitive',
  )
  return last ? definitive : TRANSIENT
}

function verdictFailure({
  requirement,
  channel,
  reasons,
}: RequireTlsEnd & { readonly kind: 'failed' }): RequireTlsFailure {
  const definitive = { kind: 'definitive', status: '5.7.10', policyFirst: isEnforced(requirement) } as const
  if (channel.kind === 'clear') return mayPass(channel) ? TRANSIENT : definitive
  const certificate = reasons.some(({ kind }) => kind !== 'tlsa-mismatch')
  const tlsa = reasons.some(({ kind }) => kind === 'tlsa-mismatch')
  // With usable TLSA records one of two proofs would do for REQUIRETLS; the other is then demanded by a policy alone.
  return certificate && (tlsa || !requirement.tlsa) ? definitive : TRANSIENT
}

function isEnforced({ sts }: ProofRequirement): boolean {
  return sts?.mode === 'enforce'
}

/** Table C, row 10: a handshake that only did not end in time. */
function mayPass({ failure }: Channel & { readonly kind: 'clear' }): boolean {
  return failure?.kind === 'timeout' || failure?.kind === 'aborted'
}

export type RequireTlsOutcome =
  | { readonly kind: 'defer' }
  | { readonly kind: 'bounce'; readonly status: RequireTlsStatus; readonly policyFirst: boolean }
  /** A notification: once more over the hosts, without the parameter, by the rules for any other message (RTLS-43). */
  | { readonly kind: 'without-parameter' }

/** After every host was tried; `failures`: of each of them. */
export function requireTlsOutcome(
  failures: readonly RequireTlsFailure[],
  { reversePath }: { readonly reversePath: 'null' | 'address' },
): RequireTlsOutcome {
  const definitive = failures.filter((failure) => failure.kind === 'definitive')
  if (definitive.length === 0) return { kind: 'defer' }
  if (reversePath === 'null') return { kind: 'without-parameter' }
  if (definitive.length < failures.length) return { kind: 'defer' }
  const status = definitive.some((failure) => failure.status === '5.7.30') ? '5.7.30' : '5.7.10'
  return { kind: 'bounce', status, policyFirst: definitive.some(({ policyFirst }) => policyFirst) }
}

/** RFC 8689 §4.2.2: TLS is optional to the sender; a server that insists on what it cannot do gets no message. */
export const STARTTLS_FIRST = 530

export function tlsOptionalOutcome(channel: Channel['kind'], replyCode: number): { readonly kind: 'bounce' | 'usual' } {
  return { kind: channel === 'clear' && replyCode === STARTTLS_FIRST ? 'bounce' : 'usual' }
}
