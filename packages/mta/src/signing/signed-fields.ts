/**
 * Which header fields a signature covers: RFC 6376 §5.4 and §5.4.1, with one instance more than there is of those
 * that say who wrote what and how it is shown, so that nobody can add a second (§5.4.2, §8.15). Pure.
 *
 * Left out is what is changed or added on the way: Received, Return-Path, Comments, Keywords, and signatures.
 */
import type { HeaderField } from '../submission/header.ts'

/** Whether a field that is not there may be added later without breaking the signature. */
const SIGNED: readonly (readonly [name: string, later: 'closed' | 'open'])[] = [
  ['From', 'closed'],
  ['To', 'closed'],
  ['Cc', 'closed'],
  ['Subject', 'closed'],
  ['Date', 'closed'],
  ['Message-ID', 'closed'],
  ['Reply-To', 'closed'],
  ['MIME-Version', 'closed'],
  ['Content-Type', 'closed'],
  ['Content-Transfer-Encoding', 'closed'],
  ['Content-Disposition', 'open'],
  ['Content-ID', 'open'],
  ['Content-Description', 'open'],
  // A mailing list adds these.
  ['Sender', 'open'],
  ['In-Reply-To', 'open'],
  ['References', 'open'],
  ['Resent-Date', 'open'],
  ['Resent-From', 'open'],
  ['Resent-Sender', 'open'],
  ['Resent-To', 'open'],
  ['Resent-Cc', 'open'],
  ['Resent-Message-ID', 'open'],
  ['List-Id', 'open'],
  ['List-Help', 'open'],
  // RFC 8058 §4 demands both.
  ['List-Unsubscribe', 'open'],
  ['List-Unsubscribe-Post', 'open'],
  ['List-Subscribe', 'open'],
  ['List-Post', 'open'],
  ['List-Owner', 'open'],
  ['List-Archive', 'open'],
  // RFC 3834 §5, RFC 8689 §5.
  ['Auto-Submitted', 'open'],
  ['TLS-Required', 'open'],
  // RFC 8460 §3.
  ['TLS-Report-Domain', 'open'],
  ['TLS-Report-Submitter', 'open'],
]

export interface SignedFields {
  /** The `h=` list. */
  readonly names: readonly string[]
  /** The fields that are there, in the order of the names: of equal ones the lowest first (§5.4.2). */
  readonly fields: readonly HeaderField[]
}

export function signedFields(header: readonly HeaderField[]): SignedFields {
  const byName = new Map<string, HeaderField[]>()
  for (const field of header) {
    const known = byName.get(field.name)
    if (known === undefined) byName.set(field.name, [field])
    else known.push(field)
  }
  const names: string[] = []
  const fields: HeaderField[] = []
  for (const [name, later] of SIGNED) {
    const present = byName.get(name.toLowerCase()) ?? []
    fields.push(...present.toReversed())
    for (let instance = later === 'closed' ? -1 : 0; instance < present.length; instance += 1) names.push(name)
  }
  return { names, fields }
}
