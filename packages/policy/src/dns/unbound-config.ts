/**
 * The configuration of a private validating `unbound` (unbound.conf(5)): loopback only, no control port, nobody else's
 * files, and nothing that would let an unvalidated answer pass. Pure.
 *
 * It runs in its own directory and names only files there, so that no path has to be quoted.
 */
import type { NameServer } from './transport.ts'
import { isLoopback } from './trust.ts'
import type { UnboundVersion } from './unbound-program.ts'

export interface UnboundConfig {
  readonly port: number
  /** Empty: it asks the root itself. */
  readonly forwarders: readonly NameServer[]
  readonly version: UnboundVersion
  readonly identity: UnboundIdentity
}

/** A record that only the server with this configuration can answer. */
export interface UnboundIdentity {
  readonly owner: string
  readonly text: string
}

export const CONFIG_FILE = 'unbound.conf'
/** Kept by unbound itself as the root changes its keys (RFC 5011). */
export const ANCHOR_FILE = 'root.key'

/** It is asked by one relay, which has a cache of its own. */
const RRSET_CACHE = '32m'
const MESSAGE_CACHE = '16m'
const KEY_CACHE = '4m'
/** RFC 8767 §4 finds a week too long. */
const CACHE_TTL_MAX_SECONDS = 86_400
/** RFC 9715 §3.1. */
const UDP_PAYLOAD_SIZE = 1_232

export function unboundConfig({ port, forwarders, version, identity }: UnboundConfig): string {
  return `${serverClause({ port, forwarders, version, identity }).join('\n  ')}
remote-control:
  control-enable: no
${forwarders.length === 0 ? '' : forwardClause(forwarders)}`
}

function serverClause({ port, forwarders, version, identity }: UnboundConfig): readonly string[] {
  return [
    'server:',
    'directory: ""',
    'chroot: ""',
    'username: ""',
    'pidfile: ""',
    'do-daemonize: no',
    'use-syslog: no',
    'logfile: ""',
    'verbosity: 0',
    `interface: 127.0.0.1@${port}`,
    'so-reuseport: no',
    'access-control: 0.0.0.0/0 refuse',
    'access-control: ::0/0 refuse',
    'access-control: 127.0.0.0/8 allow',
    'num-threads: 1',
    `rrset-cache-size: ${RRSET_CACHE}`,
    `msg-cache-size: ${MESSAGE_CACHE}`,
    `key-cache-size: ${KEY_CACHE}`,
    `cache-max-ttl: ${CACHE_TTL_MAX_SECONDS}`,
    'cache-min-ttl: 0',
    `edns-buffer-size: ${UDP_PAYLOAD_SIZE}`,
    'module-config: "validator iterator"',
    `auto-trust-anchor-file: "${ANCHOR_FILE}"`,
    'val-permissive-mode: no',
    // With the reason, which becomes the text of the extended error.
    'val-log-level: 2',
    'ignore-cd-flag: yes',
    'harden-dnssec-stripped: yes',
    'harden-glue: yes',
    'harden-below-nxdomain: yes',
    'serve-expired: no',
    'qname-minimisation: yes',
    'aggressive-nsec: yes',
    'minimal-responses: yes',
    'hide-identity: yes',
    'hide-version: yes',
    ...(version.hasExtendedErrors ? ['ede: yes'] : []),
    // A forwarder on this machine is one that the operator named.
    `do-not-query-localhost: ${forwarders.some(({ address }) => isLoopback(address)) ? 'no' : 'yes'}`,
    // Answered by unbound itself otherwise, unsigned, whatever the root says.
    'local-zone: "test." nodefault',
    `local-zone: "${identity.owner}." static`,
    `local-data: '${identity.owner}. 0 IN TXT "${identity.text}"'`,
  ]
}

function forwardClause(forwarders: readonly NameServer[]): string {
  const addresses = forwarders.map(({ address, port }) => `  forward-addr: ${address}@${port}`)
  return ['forward-zone:', '  name: "."', '  forward-first: no', ...addresses, ''].join('\n')
}
