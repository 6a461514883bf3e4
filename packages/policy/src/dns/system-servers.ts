/** The name servers that the system is set up with: `nameserver` lines of resolv.conf(5), in order, at most three. */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { err, ok, type Result } from '../result.ts'
import type { NameServer } from './transport.ts'

export type SystemServersError =
  | { readonly kind: 'unreadable'; readonly path: string; readonly code: string }
  | { readonly kind: 'no-nameserver'; readonly path: string }

/** MAXNS of resolv.conf(5). */
const MAX_SERVERS = 3
const DNS_PORT = 53
const RESOLV_CONF = '/etc/resolv.conf'

export async function readSystemServers(
  path = RESOLV_CONF,
): Promise<Result<readonly [NameServer, ...NameServer[]], SystemServersError>> {
  try {
    const [first, ...rest] = parseResolvConf(await readFile(path, 'utf8'))
    return first === undefined ? err({ kind: 'no-nameserver', path }) : ok([first, ...rest])
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'
    return err({ kind: 'unreadable', path, code })
  }
}

export function parseResolvConf(text: string): readonly NameServer[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/[#;].*/, '')
        .trim()
        .split(/\s+/),
    )
    .flatMap(([keyword, address = '']) => (keyword === 'nameserver' && isIP(address) !== 0 ? [address] : []))
    .slice(0, MAX_SERVERS)
    .map((address) => ({ address, port: DNS_PORT }))
}
