/**
 * The three classes of mail that the queue tells apart (RFC 6710 §3: a server may treat several of the nineteen priorities
 * alike). Their bounds are the values that the MIXER policy gives to urgent, normal and non-urgent mail. Pure.
 */
export type MailClass = 'urgent' | 'normal' | 'bulk'

/** In the order in which they are served. */
export const MAIL_CLASSES: readonly MailClass[] = ['urgent', 'normal', 'bulk']

/** None of any. */
export function noneOfClasses(): Record<MailClass, number> {
  return { urgent: 0, normal: 0, bulk: 0 }
}

const URGENT_FROM = 4
const BULK_TO = -4

export function mailClassOf(priority = 0): MailClass {
  if (priority >= URGENT_FROM) return 'urgent'
  return priority <= BULK_TO ? 'bulk' : 'normal'
}

/** Of an envelope as the stores keep it: JSON, in which a quotation mark inside a text is escaped. */
export function classInEnvelope(envelope: string): MailClass {
  const [, priority] = /"priority":(-?\d)/.exec(envelope) ?? []
  return mailClassOf(priority === undefined ? undefined : Number(priority))
}
