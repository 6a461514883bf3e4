/** Why a self-test failed, as facts. Pure. */
import type { DnsFailureReason } from './answer.ts'
import type { NameServer } from './transport.ts'

export type SelfTestProblem =
  /** It answers, and says nothing of DNSSEC. */
  | { readonly kind: 'does-not-validate'; readonly server: NameServer }
  /** None of the servers gave an answer; the reason is the first one's. */
  | { readonly kind: 'no-answer'; readonly server: NameServer; readonly reason: DnsFailureReason }
