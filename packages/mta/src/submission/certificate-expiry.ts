/**
 * When the certificate of a listener ends, and whether somebody should hear of it. Clients that check it stop to send on
 * that day. Pure.
 */
import { X509Certificate } from 'node:crypto'

/** Certificates of ninety days are renewed a month before their end: later than this something is wrong. */
export const EXPIRING_MS = 21 * 86_400_000

/** UTC milliseconds, of the first certificate in the chain; undefined when it cannot be read. */
export function certificateEnd(pem: string): number | undefined {
  try {
    return new X509Certificate(pem).validToDate.getTime()
  } catch {
    return undefined
  }
}

export type Expiry = 'good' | 'expiring' | 'expired'

export function expiry(endsAt: number, now: number): Expiry {
  if (endsAt <= now) return 'expired'
  return endsAt - now <= EXPIRING_MS ? 'expiring' : 'good'
}
