/**
 * Addresses that are refused at RCPT, or MAIL, because it is known that they get no mail: those on our own list, and those
 * whose domain says that it takes none (RFC 7505 §4.1). Asks; knows no session.
 */
import { type MailAddress, type MailDomain, nullReversePath, type ReversePath } from '../smtp/mail-address.ts'
import type { FindSuppressed } from '../suppression/keeper.ts'
import { type Reply, replies, suppressedReply } from './replies.ts'

/** Does the domain declare that it takes no mail? False when that cannot be said in time; at once when it is known. */
export type TakesNoMail = (domain: MailDomain) => boolean | Promise<boolean>

export interface RecipientChecks {
  readonly suppressed: FindSuppressed | undefined
  readonly takesNoMail: TakesNoMail | undefined
}

/** Undefined: nothing speaks against the recipient, and nothing is to be waited for; a promise may say that later. */
export function recipientRefusal(
  address: MailAddress,
  { suppressed, takesNoMail }: RecipientChecks,
): Promise<Reply | undefined> | undefined {
  const nullMx = takesNoMail?.(address.domain) ?? false
  // The answer for most recipients: the domain was looked at a moment ago, and nobody is suppressed.
  if (suppressed === undefined && nullMx === false) return undefined
  return refusal(suppressed?.([address]), nullMx)
}

/** The same of whom a failure would be told: `<>` is nobody. */
export function senderRefusal(
  reversePath: ReversePath,
  { takesNoMail }: Pick<RecipientChecks, 'takesNoMail'>,
): Promise<Reply | undefined> | Reply | undefined {
  if (takesNoMail === undefined || reversePath === nullReversePath) return undefined
  const known = takesNoMail(reversePath.domain)
  const told = (nullMx: boolean): Reply | undefined => (nullMx ? replies.senderTakesNoMail : undefined)
  return typeof known === 'boolean' ? told(known) : known.then(told)
}

async function refusal(
  suppressed: ReturnType<FindSuppressed> | undefined,
  takesNoMail: boolean | Promise<boolean>,
): Promise<Reply | undefined> {
  const [found, nullMx] = await Promise.all([suppressed, takesNoMail])
  if (nullMx) return replies.recipientTakesNoMail
  const [entry] = found?.values() ?? []
  return entry === undefined ? undefined : suppressedReply(entry)
}
