/**
 * Recipients that are refused at RCPT because it is known that they get no mail: those on our own list, and those whose
 * domain says that it takes none (RFC 7505 §4.1). Asks; knows no session.
 */
import type { MailAddress, MailDomain } from '../smtp/mail-address.ts'
import type { FindSuppressed } from '../suppression/keeper.ts'
import { type Reply, replies, suppressedReply } from './replies.ts'

/** Does the domain declare that it takes no mail? False when that cannot be said in time. */
export type TakesNoMail = (domain: MailDomain) => Promise<boolean>

export interface RecipientChecks {
  readonly suppressed: FindSuppressed | undefined
  readonly takesNoMail: TakesNoMail | undefined
}

/** Undefined: nothing is to be asked; it resolves with undefined when nothing speaks against the recipient. */
export function recipientRefusal(
  address: MailAddress,
  { suppressed, takesNoMail }: RecipientChecks,
): Promise<Reply | undefined> | undefined {
  if (suppressed === undefined && takesNoMail === undefined) return undefined
  return refusal(address, { suppressed, takesNoMail })
}

async function refusal(address: MailAddress, checks: RecipientChecks): Promise<Reply | undefined> {
  const [found, nullMx] = await Promise.all([checks.suppressed?.([address]), checks.takesNoMail?.(address.domain)])
  if (nullMx === true) return replies.recipientTakesNoMail
  const [entry] = found?.values() ?? []
  return entry === undefined ? undefined : suppressedReply(entry)
}
