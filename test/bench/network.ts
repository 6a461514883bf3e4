/**
 * Two network namespaces joined by a veth pair with MTU 1500: one for the system under test, one for the load
 * generator, the sink and DNS. Loopback would not do: its 64 KiB MTU makes Nagle's algorithm and delayed
 * acknowledgements stall some servers 40 ms per message. Needs root and iproute2; removes what it made.
 */
import { execFileSync } from 'node:child_process'

// RFC 2544 §C.2.2: addresses for benchmarks of network devices.
export const SYSTEM_ADDRESS = '198.18.0.1'
export const PEER_ADDRESS = '198.18.0.2'
export const NETWORK = '198.18.0.0/24'
const PREFIX_LENGTH = 24
const MTU = 1500

export interface BenchNetwork {
  /** Command-line prefix for programs of the system under test. */
  readonly inSystem: readonly string[]
  readonly inPeer: readonly string[]
  remove(): void
}

export function createNetwork(): BenchNetwork {
  const system = `hermetic-bench-sys-${process.pid}`
  const peer = `hermetic-bench-peer-${process.pid}`
  const systemLink = `hbs${process.pid}`
  const peerLink = `hbp${process.pid}`
  const remove = (): void => {
    // The veth pair goes with the namespaces.
    for (const name of [system, peer]) quietly(['netns', 'del', name])
  }
  try {
    ip(['netns', 'add', system])
    ip(['netns', 'add', peer])
    ip(['link', 'add', systemLink, 'netns', system, 'type', 'veth', 'peer', 'name', peerLink, 'netns', peer])
    bringUp(system, { link: systemLink, address: SYSTEM_ADDRESS })
    bringUp(peer, { link: peerLink, address: PEER_ADDRESS })
  } catch (error) {
    remove()
    throw error
  }
  return { inSystem: ['ip', 'netns', 'exec', system], inPeer: ['ip', 'netns', 'exec', peer], remove }
}

function bringUp(namespace: string, end: { readonly link: string; readonly address: string }): void {
  ip(['-n', namespace, 'link', 'set', 'lo', 'up'])
  ip(['-n', namespace, 'link', 'set', end.link, 'mtu', String(MTU), 'up'])
  ip(['-n', namespace, 'addr', 'add', `${end.address}/${PREFIX_LENGTH}`, 'dev', end.link])
}

function ip(args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function quietly(args: readonly string[]): void {
  try {
    ip(args)
  } catch {
    // Never made, or gone already.
  }
}
