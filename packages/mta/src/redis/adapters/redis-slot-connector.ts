/**
 * Connects ioredis to the shard of a Redis Cluster that holds one key, and to no other: whatever a client of ours
 * touches shares a hash tag, so it needs no map of the cluster, only to look again when it is told that it is at the
 * wrong server. Any node tells where the slot is; another one is asked first each time, for one may be behind.
 */
import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis'
import type { HostAndPort, InCluster } from '../redis-address.ts'

type Connector = NonNullable<RedisOptions['Connector']>
type Stream = ReturnType<typeof connectTcp> | ReturnType<typeof connectTls>

export interface SlotSearch {
  /** Go on until somebody knows; else a connection fails when nobody does. */
  readonly persistent: boolean
  /** How long one node is asked. */
  readonly askMs: number
}

/** Nodes to ask: those of the configuration, and those that they named. */
const NODES_MAX = 64
const AGAIN_MS = 250
/** The client's own default for streams that are slow to close. */
const DISCONNECT_MS = 2_000

export function slotConnector(cluster: InCluster, { persistent, askMs }: SlotSearch): Connector {
  let nodes = cluster.nodes
  let turn = 0

  async function findMaster(): Promise<HostAndPort | undefined> {
    turn += 1
    for (let tried = 0; tried < nodes.length; tried += 1) {
      const node = nodes[(turn + tried) % nodes.length]
      if (node === undefined) continue
      const told = await askNode(node, cluster, askMs)
      if (told === undefined) continue
      nodes = known([...cluster.nodes, ...told.nodes])
      return told.master
    }
    return undefined
  }

  return class SlotConnector extends AbstractConnector {
    constructor() {
      super(DISCONNECT_MS)
    }

    override async connect(): Promise<Stream> {
      this.connecting = true
      for (;;) {
        const master = await findMaster()
        if (!this.connecting) throw new Error('closed while it was looking for the master')
        if (master !== undefined) return this.#open(master)
        if (!persistent) throw new NoMaster()
        await sleep(AGAIN_MS)
      }
    }

    /** Between two servers that change places the one that was named may be a replica by now. */
    override check(info: { readonly role?: string }): boolean {
      return info.role === undefined || info.role === 'master'
    }

    #open({ host, port }: HostAndPort): Stream {
      const stream = cluster.tls ? connectTls({ host, port }) : connectTcp({ host, port })
      stream.once('error', (error: Error) => {
        this.firstError = error
      })
      this.stream = stream
      return stream
    }
  }
}

class NoMaster extends Error {
  override readonly name = 'NoMaster'
  readonly code = 'no node of the Cluster names a master'
}

interface Told {
  readonly master: HostAndPort | undefined
  readonly nodes: readonly HostAndPort[]
}

/** Undefined: it cannot say now. */
async function askNode(node: HostAndPort, { login, tls, key }: InCluster, askMs: number): Promise<Told | undefined> {
  const client = new Redis({
    ...node,
    ...login,
    ...(tls ? { tls: {} } : {}),
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: askMs,
    commandTimeout: askMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    disableClientInfo: true,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const [slot, ranges] = await Promise.all([client.call('CLUSTER', 'KEYSLOT', key), client.call('CLUSTER', 'SLOTS')])
    return toldBy(node, Number(slot), Array.isArray(ranges) ? ranges : [])
  } catch {
    return undefined
  } finally {
    client.disconnect()
  }
}

/** Each range is `[first, last, [host, port, …] of the master, of its replicas…]`. */
function toldBy(asked: HostAndPort, slot: number, ranges: readonly unknown[]): Told {
  let master: HostAndPort | undefined
  const nodes: HostAndPort[] = []
  for (const range of ranges) {
    if (!Array.isArray(range)) continue
    const [first, last, ...places] = range as readonly unknown[]
    const there = places.flatMap((place) => hostAndPort(place, asked.host))
    nodes.push(...there)
    if (Number(first) <= slot && slot <= Number(last)) master = there[0]
  }
  return { master, nodes }
}

/** A node that does not know its own address leaves it out: it is the one that was asked. */
function hostAndPort(place: unknown, askedHost: string): readonly HostAndPort[] {
  if (!Array.isArray(place)) return []
  const [host, port] = place as readonly unknown[]
  const named = host === null || host === '' ? askedHost : String(host)
  return named === '?' ? [] : [{ host: named, port: Number(port) }]
}

function known(nodes: readonly HostAndPort[]): readonly HostAndPort[] {
  const byName = new Map(nodes.map((node) => [`${node.host} ${node.port}`, node]))
  return [...byName.values()].slice(0, NODES_MAX)
}
