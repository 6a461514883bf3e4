/**
 * Who may vouch for DNSSEC, and in which order it is tried (RFC 4035 §4.9.3, RFC 6840 §5.8: AD counts only from a
 * validating resolver over a safe path; architecture, decision 6). Pure: whether one of them really validates is
 * found out by `self-test.ts`.
 *
 * The path is safe on loopback. Some loopback addresses are no validators of ours: the embedded server of container
 * engines (127.0.0.11) and systemd's stub (127.0.0.53 and .54) pass on whatever their upstream claimed.
 */
import { addressBytes } from '../egress/cidr.ts'
import type { NameServer } from './transport.ts'

export type TrustSetting = 'auto' | 'ad' | 'none'

/** `configured`: the operator believes the name servers; `loopback-resolver`: nobody said so, but they are here. */
export type ValidatorKind = 'configured' | 'private-unbound' | 'loopback-resolver'

/** Why the name servers themselves are not believed. */
export type NotBelieved = 'trust-is-none' | 'remote-resolver' | 'forwarding-stub'

export interface TrustDecision {
  /** In the order in which they are tried. */
  readonly candidates: readonly ValidatorKind[]
  /** Why the name servers are not among them; absent when they are. */
  readonly notBelieved?: NotBelieved
}

const FORWARDING_STUBS: readonly string[] = ['127.0.0.11', '127.0.0.53', '127.0.0.54']

export function decideTrust(setting: TrustSetting, servers: readonly NameServer[]): TrustDecision {
  if (setting === 'ad') return { candidates: ['configured'] }
  if (setting === 'none') return { candidates: [], notBelieved: 'trust-is-none' }
  // Any of the servers may answer, so all of them must be worth the trust.
  if (!servers.every(({ address }) => isLoopback(address))) {
    return { candidates: ['private-unbound'], notBelieved: 'remote-resolver' }
  }
  if (servers.some(({ address }) => FORWARDING_STUBS.includes(address))) {
    return { candidates: ['private-unbound'], notBelieved: 'forwarding-stub' }
  }
  return { candidates: ['private-unbound', 'loopback-resolver'] }
}

export function isLoopback(address: string): boolean {
  const bytes = addressBytes(address)
  if (bytes === undefined) return false
  return bytes.length === 4 ? bytes[0] === 127 : bytes.every((byte, index) => byte === (index === 15 ? 1 : 0))
}
