/**
 * Which of the usable TLSA records count (RFC 7671 §9, RFC 7672 §5): of each usage and selector all Full(0) records and
 * those with the strongest digest that is published there. A server that rolls to a stronger digest is then not judged
 * by a weaker one that somebody may have forged. Pure.
 *
 * Runs after unusable records are dropped: a malformed record of a strong digest must not hide a good weaker one.
 */
import type { TlsaRecord } from './facts.ts'
import type { TlsaDigest } from './tlsa-record.ts'

/** Strongest first; a digest that is not in the list is not used at all. */
export const DEFAULT_DIGESTS: readonly TlsaDigest[] = ['sha-512', 'sha-256']

export function digestAgility(
  usable: readonly TlsaRecord[],
  strongestFirst: readonly TlsaDigest[],
): readonly TlsaRecord[] {
  return usable.filter(
    ({ usage, selector, matchingType }) =>
      matchingType === 'full' || matchingType === strongest(usable, { usage, selector }, strongestFirst),
  )
}

function strongest(
  usable: readonly TlsaRecord[],
  { usage, selector }: Pick<TlsaRecord, 'usage' | 'selector'>,
  strongestFirst: readonly TlsaDigest[],
): TlsaDigest | undefined {
  const published = usable.filter((record) => record.usage === usage && record.selector === selector)
  return strongestFirst.find((digest) => published.some(({ matchingType }) => matchingType === digest))
}
