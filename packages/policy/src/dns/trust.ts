/**
 * When is the AD bit believed? (RFC 4035 §4.9.3, RFC 6840 §5.8: only from a validating resolver over a safe path;
 * architecture, decision 6.) Pure.
 *
 * The path is safe on loopback. Two loopback addresses are no validators of ours: the embedded server of container
 * engines (127.0.0.11) and systemd's stub (127.0.0.53 and .54) pass on whatever their upstream claimed.
 */
import { addressBytes } from '../egress/cidr.ts'
import type { NameServer } from './transport.ts'

export type TrustSetting = 'auto' | 'ad' | 'none'

export interface Trust {
  readonly believe: 'ad' | 'none'
  readonly because: 'configured' | 'loopback-resolver' | 'forwarding-stub' | 'remote-resolver'
}

const FORWARDING_STUBS: readonly string[] = ['127.0.0.11', '127.0.0.53', '127.0.0.54']

/** Any of the servers may answer, so all of them must be worth the trust. */
export function decideTrust(setting: TrustSetting, servers: readonly NameServer[]): Trust {
  if (setting !== 'auto') return { believe: setting, because: 'configured' }
  if (!servers.every(({ address }) => isLoopback(address))) return { believe: 'none', because: 'remote-resolver' }
  if (servers.some(({ address }) => FORWARDING_STUBS.includes(address))) {
    return { believe: 'none', because: 'forwarding-stub' }
  }
  return { believe: 'ad', because: 'loopback-resolver' }
}

function isLoopback(address: string): boolean {
  const bytes = addressBytes(address)
  if (bytes === undefined) return false
  return bytes.length === 4 ? bytes[0] === 127 : bytes.every((byte, index) => byte === (index === 15 ? 1 : 0))
}
