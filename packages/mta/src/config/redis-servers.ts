/**
 * Which Redis `[queue]` names, of the three ways to name one; its passwords stay wrapped until somebody connects. Pure.
 */
import type { HostAndPort, RedisAddress } from '../redis/redis-address.ts'
import type { Secret } from './secret.ts'

interface SecretLogin {
  readonly username?: string | undefined
  readonly password?: Secret | undefined
}

/** As `[queue]` has it. */
interface WrittenServers {
  readonly redis_url?: Secret | undefined
  readonly redis_sentinels: readonly HostAndPort[]
  readonly redis_master?: string | undefined
  readonly redis_cluster: readonly HostAndPort[]
  readonly redis_username?: string | undefined
  readonly redis_password?: Secret | undefined
  readonly redis_sentinel_username?: string | undefined
  readonly redis_sentinel_password?: Secret | undefined
  readonly redis_database: number
  readonly redis_tls: boolean
}

export type RedisServers =
  | { readonly kind: 'server'; readonly url: Secret }
  | {
      readonly kind: 'sentinels'
      readonly sentinels: readonly HostAndPort[]
      readonly master: string
      readonly login: SecretLogin
      readonly sentinelLogin: SecretLogin
      readonly database: number
      readonly tls: boolean
    }
  | {
      readonly kind: 'cluster'
      readonly nodes: readonly HostAndPort[]
      readonly login: SecretLogin
      readonly tls: boolean
    }

/** Undefined: none of them is complete (`queue-rules.ts` says what is missing). */
export function redisServers(read: WrittenServers): RedisServers | undefined {
  const { redis_url, redis_sentinels, redis_master, redis_cluster, redis_tls: tls } = read
  const login = { username: read.redis_username, password: read.redis_password }
  if (redis_url !== undefined) return { kind: 'server', url: redis_url }
  if (redis_cluster.length > 0) return { kind: 'cluster', nodes: redis_cluster, login, tls }
  if (redis_sentinels.length === 0 || redis_master === undefined) return undefined
  return {
    ...{ kind: 'sentinels', sentinels: redis_sentinels, master: redis_master, login, tls },
    sentinelLogin: { username: read.redis_sentinel_username, password: read.redis_sentinel_password },
    database: read.redis_database,
  }
}

/** `key`: of those that will be asked for; they are in one slot of a Cluster. */
export function redisAddress(servers: RedisServers, key: string): RedisAddress {
  switch (servers.kind) {
    case 'server':
      return { url: servers.url.reveal() }
    case 'sentinels':
      return { ...servers, login: revealed(servers.login), sentinelLogin: revealed(servers.sentinelLogin) }
    case 'cluster':
      return { ...servers, login: revealed(servers.login), key }
  }
}

function revealed({ username, password }: SecretLogin): { username?: string; password?: string } {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: password.reveal() }),
  }
}
