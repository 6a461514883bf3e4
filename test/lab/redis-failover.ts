/**
 * Redis as it is run where one machine may die: three Sentinels over a master and a replica, or a Cluster of three
 * masters with a replica each. With times that are short enough for a test.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, type RedisMember, redisMember } from './redis-members.ts'

export interface RedisFailover extends AsyncDisposable {
  readonly directory: string
  /** Lines of `[queue]` that name it. */
  readonly settings: string
  readonly servers: readonly RedisMember[]
  /** The one that has the queue's keys now, by its own word. */
  master(): Promise<RedisMember>
  /** The replica gets nothing more of the master, and cannot come back to it. */
  cutLink?(): Promise<void>
  mendLink?(): Promise<void>
}

/** As durable as 7.0 alone can be; what a failover loses is what this does not say. */
const DURABLE = ['appendonly yes', 'appendfsync always', 'save ""', 'maxmemory-policy noeviction']
const REPLICATED = ['repl-diskless-sync-delay 0', 'repl-ping-replica-period 1']
const DOWN_AFTER_MS = 500
const NODE_TIMEOUT_MS = 1_000
const SETTLED_MS_MAX = 20_000
const PASSWORDS = { server: 'of-the-servers', sentinel: 'of-the-sentinels' }
/** All keys of the queue are in its slot. */
const QUEUE_KEY = '{hermetic:mail}'

export async function redisBehindSentinels({
  lines = [],
}: {
  readonly lines?: readonly string[]
} = {}): Promise<RedisFailover> {
  const directory = await mkdtemp(join(tmpdir(), 'hermetic-sentinel-'))
  const [masterPort = 0, replicaPort = 0, ...sentinelPorts] = await freePorts(5)
  const { server: password } = PASSWORDS
  const common = [...DURABLE, ...REPLICATED, `requirepass ${password}`, `masterauth ${password}`, ...lines]
  const server = (name: string, port: number, more: readonly string[]): Promise<RedisMember> =>
    redisMember(directory, { name, port, password, lines: [...common, ...more] })
  const servers = [
    await server('first', masterPort, []),
    await server('second', replicaPort, [`replicaof 127.0.0.1 ${masterPort}`]),
  ]
  await until('the replica follows', async () => (await saidLine(servers[1], 'master_link_status')) === 'up')
  const sentinels = await Promise.all(
    sentinelPorts.map((port, at) =>
      redisMember(directory, {
        ...{ name: `sentinel-${at}`, port, isSentinel: true, password: PASSWORDS.sentinel },
        lines: [
          `requirepass ${PASSWORDS.sentinel}`,
          `sentinel monitor mail 127.0.0.1 ${masterPort} 2`,
          `sentinel auth-pass mail ${password}`,
          `sentinel down-after-milliseconds mail ${DOWN_AFTER_MS}`,
          'sentinel failover-timeout mail 3000',
          `sentinel sentinel-pass ${PASSWORDS.sentinel}`,
        ],
      }),
    ),
  )
  await until('the Sentinels know one another and the replica', async () => {
    const told = await Promise.all(sentinels.map((one) => one.command('SENTINEL', 'MASTER', 'mail')))
    return told.every((text) => /num-slaves\r\n\$1\r\n1/.test(text) && /num-other-sentinels\r\n\$1\r\n2/.test(text))
  })
  return {
    directory,
    servers,
    settings: [
      `redis_sentinels = [${sentinelPorts.map((port) => `"127.0.0.1:${port}"`).join(', ')}]`,
      'redis_master = "mail"',
      `redis_password = "${password}"`,
      `redis_sentinel_password = "${PASSWORDS.sentinel}"`,
    ].join('\n'),
    master: async () => {
      const told = await sentinels[0]?.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mail')
      const found = servers.find(({ port }) => told?.includes(`\r\n${port}\r\n`))
      assert.ok(found !== undefined, `the Sentinels name ${told}`)
      return found
    },
    // It cannot log in any more.
    cutLink: async () => {
      for (const one of servers) await one.command('CONFIG', 'SET', 'masterauth', 'none')
      for (const one of servers) await one.command('CLIENT', 'KILL', 'TYPE', 'replica')
    },
    mendLink: async () => {
      for (const one of servers) await one.command('CONFIG', 'SET', 'masterauth', password).catch(() => undefined)
    },
    [Symbol.asyncDispose]: () => gone(directory, [...sentinels, ...servers]),
  }
}

const MASTERS = 3
const SLOTS = 16_384

export async function redisCluster(): Promise<RedisFailover> {
  const directory = await mkdtemp(join(tmpdir(), 'hermetic-cluster-'))
  const ports = await freePorts(2 * MASTERS, { withBus: true })
  const lines = [
    ...[...DURABLE, ...REPLICATED, 'cluster-enabled yes', `cluster-node-timeout ${NODE_TIMEOUT_MS}`],
    ...['cluster-replica-validity-factor 0', 'cluster-require-full-coverage no'],
  ]
  const servers = await Promise.all(
    ports.map((port, at) => redisMember(directory, { name: `node-${at}`, port, lines })),
  )
  const [first, ...others] = servers
  assert.ok(first !== undefined)
  await Promise.all(
    servers.slice(0, MASTERS).map(async (node, at) => {
      const [from, to] = [at, at + 1].map((n) => Math.floor((SLOTS * n) / MASTERS))
      await node.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String((to ?? 0) - 1))
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1))
    }),
  )
  for (const { port } of others) await first.command('CLUSTER', 'MEET', '127.0.0.1', String(port))
  await until('all nodes have met', async () => {
    const told = await Promise.all(servers.map((node) => node.command('CLUSTER', 'INFO')))
    return told.every((text) => text.includes(`cluster_known_nodes:${servers.length}`))
  })
  await Promise.all(
    servers.slice(MASTERS).map(async (replica, at) => {
      const id = /[0-9a-f]{40}/.exec((await servers[at]?.command('CLUSTER', 'MYID')) ?? '')?.[0] ?? ''
      await until('it is a replica', async () => (await replica.command('CLUSTER', 'REPLICATE', id)).startsWith('+OK'))
    }),
  )
  const cluster: RedisFailover = {
    directory,
    servers,
    settings: `redis_cluster = [${ports.map((port) => `"127.0.0.1:${port}"`).join(', ')}]`,
    master: async () => {
      for (const node of servers) {
        const told = await node.command('EXISTS', QUEUE_KEY).catch(() => '')
        if (told.startsWith(':') && (await saidLine(node, 'role')) === 'master') return node
      }
      throw new Error('nobody has the slot of the queue')
    },
    [Symbol.asyncDispose]: () => gone(directory, servers),
  }
  await until('the cluster is whole', async () => {
    const told = await Promise.all(servers.map((node) => node.command('CLUSTER', 'INFO')))
    const links = await Promise.all(servers.slice(MASTERS).map((node) => saidLine(node, 'master_link_status')))
    return told.every((text) => text.includes('cluster_state:ok')) && links.every((link) => link === 'up')
  })
  return cluster
}

/** A line of INFO; undefined when nobody answers. */
export async function saidLine(server: RedisMember | undefined, name: string): Promise<string | undefined> {
  const text = (await server?.command('INFO').catch(() => '')) ?? ''
  return new RegExp(`^${name}:(.*)\r$`, 'm').exec(text)?.[1]
}

export async function until(what: string, isSo: () => Promise<boolean>, patienceMs = SETTLED_MS_MAX): Promise<void> {
  const giveUpAt = Date.now() + patienceMs
  while (!(await isSo().catch(() => false))) {
    assert.ok(Date.now() < giveUpAt, `in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

async function gone(directory: string, processes: readonly RedisMember[]): Promise<void> {
  await Promise.all(processes.map((one) => one.stop()))
  await rm(directory, { recursive: true, force: true })
}
