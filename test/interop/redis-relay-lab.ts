/**
 * Relays as operators start them, on one real redis-server and in front of one mail exchanger that can be told to put
 * everything off.
 */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parseDomainName, parsePolicyFile, sharedPolicies } from '@hermetic/policy'
import { describeStartProblem } from '../../packages/mta/src/cli/start-problem-text.ts'
import { loadConfig } from '../../packages/mta/src/config/load.ts'
import { startRelay } from '../../packages/mta/src/main.ts'
import { connected, connectRedis } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { QUEUE_NAME } from '../../packages/mta/src/wiring/redis-ground.ts'
import { type Printed, runHermetic } from '../lab/command-lab.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const MX = 'mx.example.test'
const CONNECT_MS = 5_000
const DAY_MS = 86_400_000

export interface QueueSettings {
  readonly durability: 'strict' | 'relaxed'
  /** Undefined: the unix socket of this cluster's server. */
  readonly url: string | undefined
  readonly contentDir: string
}

export class RelayCluster {
  readonly redis: RedisServer
  /** While it is true nothing is delivered. */
  mxIsAway = false
  #mx: ScriptedMx
  readonly #directory: string
  readonly #relays: WholeRelay[] = []

  private constructor(redis: RedisServer, mx: ScriptedMx, directory: string) {
    this.redis = redis
    this.#mx = mx
    this.#directory = directory
  }

  static async start(t: TestContext, redisSettings: readonly string[] = []): Promise<RelayCluster> {
    const redis = await startRedis({ settings: redisSettings })
    const directory = await mkdtemp(join(tmpdir(), 'redis-relay-'))
    const mx = await ScriptedMx.start()
    const cluster = new RelayCluster(redis, mx, directory)
    cluster.#prepareMx()
    t.after(async () => {
      await Promise.all(cluster.#relays.map((relay) => relay[Symbol.asyncDispose]()))
      await cluster.#mx.stop()
      await redis[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    })
    return cluster
  }

  /** Nobody listens on its port. */
  closeMx(): Promise<void> {
    return this.#mx.stop()
  }

  async openMx(): Promise<void> {
    this.#mx = await ScriptedMx.start({ port: this.#mx.port })
    this.#prepareMx()
  }

  #prepareMx(): void {
    this.#mx.script = { RCPT: () => (this.mxIsAway ? '451 4.3.0 later' : undefined) }
  }

  /** A policy as a relay would have fetched it. */
  async cachePolicy(domain: string): Promise<void> {
    const client = connectRedis({ url: this.redis.socket })
    try {
      await connected(client, CONNECT_MS)
      const { cache } = sharedPolicies({ client, name: QUEUE_NAME, now: Date.now, emit: () => undefined })
      const policy = parsePolicyFile(Buffer.from(`version: STSv1\nmode: testing\nmx: ${MX}\nmax_age: 86400\n`))
      const policyDomain = parseDomainName(domain)
      assert.ok(policy.ok && policyDomain.ok)
      const fetchedAt = Date.now()
      await cache.put(policyDomain.value, { policy: policy.value, id: '1', fetchedAt, refreshAt: fetchedAt + DAY_MS })
    } finally {
      client.disconnect()
    }
  }

  /** Subjects of what the mail exchanger took, in order. */
  get delivered(): readonly string[] {
    return this.#mx.messages.map(({ content }) => /^Subject: (.*)\r$/m.exec(content.toString())?.[1] ?? '')
  }

  /** In the data_dir of the next relay: it was started with the embedded engine before. */
  async leaveEmbeddedQueue(): Promise<string> {
    const dataDir = join(this.#directory, `node-${this.#relays.length}`)
    await mkdir(dataDir)
    const path = join(dataDir, 'spool.db')
    await writeFile(path, '')
    return path
  }

  /** One more relay, with a data_dir and ports of its own. */
  async relay(durability: 'strict' | 'relaxed' = 'strict', url?: string): Promise<WholeRelay> {
    const relay = await WholeRelay.start({
      settings: this.#settings(`node-${this.#relays.length}`, { durability, url }),
      records: { 'example.test': { MX: [[10, MX]] }, [MX]: { A: [this.#mx.address] } },
    })
    this.#relays.push(relay)
    return relay
  }

  /** What a start says that fails: with the settings of this relay, or on a data_dir of its own. */
  async startProblem(like?: WholeRelay, changed: Partial<QueueSettings> = {}): Promise<string> {
    const file = like?.file ?? join(this.#directory, 'fails.toml')
    if (like === undefined) {
      await writeFile(file, `hostname = "relay.example.test"\n${this.#settings('fails', changed)}`)
    }
    const config = loadConfig({ file, env: {} })
    assert.ok(config.ok)
    const started = await startRelay(config.value, { version: 'test', logStream: { write: () => undefined } })
    if (started.ok) await started.value.stop('test')
    assert.ok(!started.ok)
    return describeStartProblem(started.error)
  }

  command({ file }: WholeRelay, ...args: readonly string[]): Promise<Printed> {
    return runHermetic(file, ...args)
  }

  /** All relays share it. */
  get contentDir(): string {
    return `${this.#directory}/content`
  }

  #settings(
    name: string,
    { durability = 'strict', url, contentDir = this.contentDir }: Partial<QueueSettings>,
  ): string {
    return `
data_dir = "${this.#directory}/${name}"
[queue]
engine = "redis"
redis_url = "${url ?? this.redis.socket}"
durability = "${durability}"
content_dir = "${contentDir}"
[delivery]
port = ${this.#mx.port}
dead_host_memory = "0ms"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
  }
}

/** Answers what the relay said to the message, or to the first command that it refused. */
export async function submit(relay: WholeRelay, subject: string, body = 'hello'): Promise<string> {
  const client = await relay.greeted()
  try {
    for (const command of ['MAIL FROM:<app@sender.test>', 'RCPT TO:<someone@example.test>', 'DATA']) {
      const reply = await client.command(command)
      if (reply === undefined || reply.code >= 400) return reply?.lines.join('') ?? ''
    }
    client.send(`Subject: ${subject}\r\nFrom: <app@sender.test>\r\n\r\n${body}\r\n.\r\n`)
    return (await client.reply())?.lines.join('') ?? ''
  } finally {
    await client.quit()
  }
}
