/** Signs report mails with the keys of their submitter's domain (RFC 8460 §3), the `Signer` of the reporter package. */
import { invariant } from '@hermetic/policy'
import type { Signer } from '@hermetic/reporter'
import { messageSigner, signWhole } from '../signing/dkim.ts'
import type { SigningIdentity } from '../signing/identity.ts'

export function createReportSigner(identities: readonly [SigningIdentity, ...SigningIdentity[]]): Signer {
  const [{ domain }] = identities
  invariant(
    identities.every((identity) => identity.domain === domain),
    'keys of one domain',
  )
  const begin = messageSigner(identities)
  return {
    domain,
    sign: async (message, signedAt) => {
      const { bytes, outcome } = signWhole(begin, message, signedAt)
      if (outcome.kind !== 'signed') throw new Error(`a report was not signed: ${outcome.reason}`)
      return bytes
    },
  }
}
