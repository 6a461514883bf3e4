/**
 * What signing tells operators at the start; `observability/` renders the union. What became of a message stands in
 * `message-accepted`, `dsn-queued` and `dkim-signing-failed`.
 */
import type { SignatureAlgorithm } from './signing-key.ts'

export type SigningEvent =
  | {
      readonly event: 'dkim-key-loaded'
      readonly domain: string
      readonly selector: string
      readonly algorithm: SignatureAlgorithm
    }
  /** While the relay runs: all of them, in place of those before. */
  | { readonly event: 'dkim-keys-replaced'; readonly keys: number }
  /** Everybody on this machine may read a private key. */
  | { readonly event: 'dkim-key-exposed'; readonly path: string }
