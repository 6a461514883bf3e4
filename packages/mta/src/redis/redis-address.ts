/**
 * Where Redis is: one server, a master that Sentinels name, or the shard of a Redis Cluster that holds a key. Pure data;
 * who connects to it is in `adapters/`.
 */
export interface HostAndPort {
  readonly host: string
  readonly port: number
}

export interface RedisLogin {
  readonly username?: string | undefined
  readonly password?: string | undefined
}

export interface OneServer {
  readonly kind?: 'server'
  /** `redis://…`, `rediss://…`, or the path of a unix socket. */
  readonly url: string
}

export interface BehindSentinels {
  readonly kind: 'sentinels'
  readonly sentinels: readonly HostAndPort[]
  /** As the Sentinels call it. */
  readonly master: string
  readonly login: RedisLogin
  readonly sentinelLogin: RedisLogin
  readonly database: number
  readonly tls: boolean
}

export interface InCluster {
  readonly kind: 'cluster'
  /** Some of its nodes: any of them tells of the others. */
  readonly nodes: readonly HostAndPort[]
  readonly login: RedisLogin
  readonly tls: boolean
  /** What is asked for is in its slot (redis/keys.ts: whatever belongs together has one hash tag). */
  readonly key: string
}

export type RedisAddress = OneServer | BehindSentinels | InCluster

/** The same Redis, for keys that share the slot of this one. */
export function atKey(address: RedisAddress, key: string): RedisAddress {
  return address.kind === 'cluster' ? { ...address, key } : address
}

/** Whether another server may take over, which has what was copied to it and no more. */
export function failsOver({ kind }: RedisAddress): boolean {
  return kind === 'sentinels' || kind === 'cluster'
}
