/** Why a host is treated as if it did not answer (RFC 8461 §8.4, RFC 7672 §2.1.2), in words. Pure. */
import type { UnreachableReason } from '../requirement.ts'
import { assertNever } from '../result.ts'
import { noDaneWords } from './dane-section.ts'
import type { DemandReason } from './explanation.ts'
import { bounded, dnsFailureWords } from './plain.ts'

export function unreachableReason(reason: UnreachableReason): DemandReason {
  switch (reason.kind) {
    case 'sts-mx-mismatch': {
      const { mode, id, preloaded } = reason.sts
      const policy = preloaded ? 'the preload list' : `the policy (mode ${mode}, id ${id})`
      const text = `${policy} does not name this host: it is not contacted`
      return { by: preloaded ? 'preload' : 'mta-sts', text, rfc: ['RFC 8461 §4.1', 'RFC 8461 §5'] }
    }
    case 'tlsa-lookup-failed': {
      const { lookup, name, reason: why } = reason.failure
      const text = bounded(
        `whether it has TLSA records cannot be looked up (${lookup} of ${name}): ${dnsFailureWords(why)}`,
      )
      return { by: 'dane', text, rfc: ['RFC 7672 §2.1.2'] }
    }
    case 'dane-required':
      return {
        by: 'local-policy',
        text: `our own settings demand DANE: ${noDaneWords(reason.because)}`,
        rfc: ['RFC 7672 §6'],
      }
    case 'tlsa-invalid': {
      const text = `our own settings demand DANE, and no TLSA record at ${reason.dane.owner} can be used`
      return { by: 'local-policy', text, rfc: ['RFC 7672 §6'] }
    }
    case 'requiretls-name-unproven':
      return {
        by: 'sender',
        text: 'REQUIRETLS: nothing proves that it is a host of the domain',
        rfc: ['RFC 8689 §4.2.1'],
      }
    default:
      return assertNever(reason)
  }
}
