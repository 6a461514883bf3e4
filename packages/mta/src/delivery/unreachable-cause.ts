/**
 * A host that may not be dialled, because of what the policy of its domain says or because that cannot be known, as the cause
 * of a delivery problem. Pure.
 */
import {
  assertNever,
  isOurTrouble,
  refusedBy,
  requireTlsFailure,
  type Unreachable,
  type UnreachableReason,
} from '@hermetic/policy'
import { dnsFailureText } from './candidates.ts'
import type { TlsPolicyCause } from './outcome.ts'
import { mechanismOf } from './problem.ts'

export function unreachableCause(
  unreachable: Unreachable,
  { policyDomain, mxHostname }: { readonly policyDomain: string; readonly mxHostname: string },
): TlsPolicyCause {
  const { reasons, message } = unreachable
  return {
    kind: 'tls-policy',
    reason: reasons.map(reasonText).join(', '),
    policyDomain,
    ...mechanismOf(refusedBy(unreachable, reasons)),
    mxHostname,
    ...(message === 'requiretls' ? { requireTls: requireTlsFailure(unreachable) } : {}),
    ...(reasons.every(isOurs) ? OURS : {}),
  }
}

const OURS = { ours: true } as const

function isOurs(reason: UnreachableReason): boolean {
  return reason.kind === 'tlsa-lookup-failed' && isOurTrouble(reason.failure.reason)
}

function reasonText(reason: UnreachableReason): string {
  switch (reason.kind) {
    case 'sts-mx-mismatch':
    case 'tlsa-invalid':
    case 'requiretls-name-unproven':
      return reason.kind
    case 'dane-required':
      return `${reason.kind} (${reason.because})`
    case 'tlsa-lookup-failed': {
      const { lookup, name, reason: why } = reason.failure
      return `${reason.kind} (${lookup} of ${name}: ${dnsFailureText(why)})`
    }
    default:
      return assertNever(reason)
  }
}
