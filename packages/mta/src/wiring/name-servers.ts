/**
 * Which name servers the relay asks: those of the configuration, else the system's. Without either the resolver
 * of this machine is asked, as resolv.conf(5) says.
 */
import { type NameServer, readSystemServers } from '@hermetic/policy'

export interface NameServers {
  readonly servers: readonly [NameServer, ...NameServer[]]
  readonly from: 'configuration' | 'system' | 'loopback'
}

const LOOPBACK: NameServer = { address: '127.0.0.1', port: 53 }

export async function nameServers(configured: readonly NameServer[]): Promise<NameServers> {
  const [first, ...rest] = configured
  if (first !== undefined) return { servers: [first, ...rest], from: 'configuration' }
  const system = await readSystemServers()
  return system.ok ? { servers: system.value, from: 'system' } : { servers: [LOOPBACK], from: 'loopback' }
}
