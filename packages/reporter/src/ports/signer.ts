/** Port: who signs report mails with DKIM (RFC 8460 §3, RPT-79 to RPT-82). Never with `l=`. */
import type { DomainName } from '@hermetic/policy'

export interface Signer {
  /** `d=`: only mail from this very domain is signed. */
  readonly domain: DomainName
  /**
   * The message with its signatures on top; the same for the same message, time and key. Rejects when the key cannot sign.
   */
  sign(message: Uint8Array, signedAt: number): Promise<Uint8Array>
}
