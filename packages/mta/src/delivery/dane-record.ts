/** What DANE said of a host and what its peer proved, as the delivery record tells it; bounded, for people. Pure. */
import {
  assertNever,
  type DaneAuthentication,
  type DaneFacts,
  type NoDaneBecause,
  type TlsaRecord,
  tlsaText,
} from '@hermetic/policy'
import { dnsFailureText } from './candidates.ts'

export type DaneRecord =
  | { readonly kind: 'none'; readonly because: NoDaneBecause }
  | { readonly kind: 'failure'; readonly lookup: string; readonly name: string; readonly detail: string }
  | {
      readonly kind: 'tlsa'
      /** Where the records are: `_25._tcp.mx.example.com`. */
      readonly owner: string
      readonly mxSecure: boolean
      readonly published: number
      readonly usable: number
      /** The record that means the peer: `3 1 1 …`; absent: none does, or none was compared. */
      readonly matched?: string
      /** The reference name that a DANE-TA certificate carries. */
      readonly name?: string
    }

export function daneRecord(facts: DaneFacts, authentication: DaneAuthentication | undefined): DaneRecord {
  switch (facts.kind) {
    case 'none':
      return { kind: 'none', because: facts.because }
    case 'failure': {
      const { lookup, name, reason } = facts
      return { kind: 'failure', lookup, name, detail: dnsFailureText(reason) }
    }
    case 'tlsa': {
      const { owner, mxSecure, published, usable } = facts
      const counts = { published: published.length, usable: usable.length }
      return { kind: 'tlsa', owner, mxSecure, ...counts, ...proofOf(authentication) }
    }
    default:
      return assertNever(facts)
  }
}

function proofOf(authentication: DaneAuthentication | undefined) {
  if (authentication?.kind !== 'authenticated') return {}
  const { record, name } = authentication
  return { matched: recordWords(record), ...(name === undefined ? {} : { name }) }
}

/** A digest is shown whole, a certificate by its beginning. */
const RECORD_TEXT_MAX = 140

function recordWords(record: TlsaRecord): string {
  const text = tlsaText(record)
  return text.length <= RECORD_TEXT_MAX ? text : `${text.slice(0, RECORD_TEXT_MAX)}…`
}
