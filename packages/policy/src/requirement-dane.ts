/**
 * The TLSA RRset of a host as the decision sees it: the state that the tables know, and what a connection is judged by,
 * in one order, so that two answers with the same records are the same value (DANE-90). Pure.
 */
import type { DaneFacts, TlsaFacts, TlsaRecord } from './dane/facts.ts'
import type { TlsaRecordData } from './dns/resolver.ts'
import type { DaneState } from './requirement-tables.ts'
import { assertNever } from './result.ts'

export interface DaneAssessment extends Omit<TlsaFacts, 'kind' | 'ttlSeconds' | 'published'> {
  readonly published: readonly TlsaRecordData[]
}

export function daneState(dane: DaneFacts | undefined): DaneState {
  if (dane === undefined) return 'absent'
  switch (dane.kind) {
    case 'none':
      return 'absent'
    case 'failure':
      return dane.kind
    case 'tlsa': {
      const state = dane.usable.length > 0 ? 'usable' : 'unusable'
      return dane.mxSecure ? state : `${state}-insecure-mx`
    }
    default:
      return assertNever(dane)
  }
}

/** Name servers rotate the records of an RRset (RFC 1794): order means nothing. */
export function daneAssessment({ kind: _, ttlSeconds: __, published, usable, ...rest }: TlsaFacts): DaneAssessment {
  return { ...rest, published: inOrder(published), usable: inOrder(usable) }
}

function inOrder<T extends TlsaRecordData | TlsaRecord>(records: readonly T[]): readonly T[] {
  if (records.length < 2) return [...records]
  const keyed = records.map((record) => ({ record, key: keyOf(record) }))
  keyed.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
  return keyed.map(({ record }) => record)
}

function keyOf({ usage, selector, matchingType, associationData }: TlsaRecordData | TlsaRecord): string {
  return [usage, selector, matchingType, Buffer.from(associationData).toString('hex')].join(' ')
}
