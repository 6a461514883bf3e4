/** What DNS says of DANE for one host, whether it applies or why not (RFC 7672 §2.2), as a section. Pure. */
import type { DaneFacts, NoDaneBecause } from '../dane/facts.ts'
import type { TlsaRecordData } from '../dns/resolver.ts'
import { assertNever } from '../result.ts'
import type { DaneSection } from './explanation.ts'
import { dnsFailureWords, FOREIGN_ITEMS_MAX } from './plain.ts'

const NO_DANE: Readonly<Record<NoDaneBecause, string>> = {
  off: 'DANE is off here, or DNS cannot be believed',
  'address-literal': 'it is known by its address only',
  'insecure-mx': 'the MX records that name it are not signed',
  'insecure-address': 'its address records are not signed',
  'no-address': 'it has no address',
  'insecure-tlsa': 'its TLSA records are not signed',
  'no-tlsa': 'it has no TLSA records',
}

export function noDaneWords(because: NoDaneBecause): string {
  return NO_DANE[because]
}

export function daneSection(dane: DaneFacts): DaneSection {
  switch (dane.kind) {
    case 'none':
      return { kind: 'none', because: dane.because, text: noDaneWords(dane.because) }
    case 'failure': {
      const { lookup, name, reason } = dane
      return { kind: 'failure', text: `${lookup} of ${name}: ${dnsFailureWords(reason)}` }
    }
    case 'tlsa': {
      const { owner, usable, mxSecure, published } = dane
      const count = usable.length === 0 ? 'none of them can be used' : `${usable.length} of ${published.length} count`
      const text = `${owner}: ${count}${mxSecure ? '' : '; the MX records that name the host are not signed'}`
      return { kind: 'tlsa', text, records: published.slice(0, FOREIGN_ITEMS_MAX).map(recordText) }
    }
    default:
      return assertNever(dane)
  }
}

/** As in a zone file; a whole certificate would fill the screen. */
function recordText({ usage, selector, matchingType, associationData }: TlsaRecordData): string {
  const octets = Buffer.from(associationData)
  const shown = octets.subarray(0, SHOWN_OCTETS).toString('hex')
  return `${usage} ${selector} ${matchingType} ${shown}${octets.length > SHOWN_OCTETS ? '…' : ''}`
}

/** A SHA-512. */
const SHOWN_OCTETS = 64
