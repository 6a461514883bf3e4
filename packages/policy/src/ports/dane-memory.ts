/**
 * Port: what was protected by DANE when it was last seen, so that its loss is noticed. Nothing is decided by it: DNS
 * alone says what DANE demands today (RFC 6698 §8.2). Adapters:
 * `adapters/sqlite-dane-memory.ts` for one process, `adapters/redis-dane-memory.ts` for many;
 * `dane-memory.contract.ts` is the full meaning of the promises below.
 */
import type { DomainName } from '../domain-name.ts'

export type DaneSubject =
  /** Usable TLSA records for a host, at the port that is dialled. */
  | { readonly kind: 'tlsa'; readonly host: DomainName; readonly port: number }
  /** A secure MX answer of a next-hop domain that led to such a host. */
  | { readonly kind: 'mx'; readonly nextHop: DomainName }

/** Every method rejects with `DaneMemoryUnavailable` when the store cannot answer. */
export interface DaneMemory {
  /** UTC milliseconds; undefined: never seen, or forgotten. */
  lastSeen(subject: DaneSubject): Promise<number | undefined>

  /** Bounded: what was seen longest ago is forgotten first. */
  remember(subject: DaneSubject, seenAt: number): Promise<void>

  /** True when there was something to forget: of all who notice a loss at the same time, one is told so. */
  forget(subject: DaneSubject): Promise<boolean>
}

export class DaneMemoryUnavailable extends Error {
  override readonly name = 'DaneMemoryUnavailable'
}
