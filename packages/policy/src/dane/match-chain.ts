/**
 * Which TLSA record a certificate is (RFC 6698 §2.1, RFC 7671 §5): what the selector takes of it, as the matching type
 * has it. Says nothing of usages: whose depth may match which usage is decided in `authenticate.ts`. Pure.
 */
import { createHash } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import type { TlsaRecord } from './facts.ts'

const DIGESTS = { 'sha-256': 'sha256', 'sha-512': 'sha512' } as const

/** Keeps the digests of one certificate: a zone may publish hundreds of records. */
export type TlsaMatcher = (records: readonly TlsaRecord[]) => TlsaRecord | undefined

/** The first of the records that the certificate matches. */
export function tlsaMatcher(certificate: Certificate): TlsaMatcher {
  const digests = new Map<string, Uint8Array>()
  const associationData = ({ selector, matchingType }: TlsaRecord): Uint8Array => {
    const selected = selector === 'cert' ? certificate.der : certificate.spki
    if (matchingType === 'full') return selected
    const key = `${selector} ${matchingType}`
    const digest = digests.get(key) ?? createHash(DIGESTS[matchingType]).update(selected).digest()
    digests.set(key, digest)
    return digest
  }
  return (records) => records.find((record) => Buffer.compare(associationData(record), record.associationData) === 0)
}
