/**
 * Where Redis is, without user and password: for people. Pure.
 */
import type { HostAndPort, RedisAddress } from './redis-address.ts'

const SHOWN_MAX = 200

export function redisPlace(address: RedisAddress): string {
  switch (address.kind) {
    case 'sentinels':
      return `${address.master} of the Sentinels ${hosts(address.sentinels)}`.slice(0, SHOWN_MAX)
    case 'cluster':
      return `the Cluster of ${hosts(address.nodes)}`.slice(0, SHOWN_MAX)
    default:
      return urlPlace(address.url).slice(0, SHOWN_MAX)
  }
}

function urlPlace(url: string): string {
  if (!URL.canParse(url)) return url
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}

function hosts(list: readonly HostAndPort[]): string {
  return list.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)).join(', ')
}
