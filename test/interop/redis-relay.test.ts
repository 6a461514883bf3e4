/**
 * Whole relays on one real redis-server, each as an operator starts it: what one accepts another delivers, also
 * across a restart of Redis; and a Redis that may lose mail is refused.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const MX = 'mx.example.test'

class Cluster {
  readonly redis: RedisServer
  readonly mx: ScriptedMx
  readonly directory: string
  readonly #relays: WholeRelay[] = []

  private constructor(parts: Pick<Cluster, 'redis' | 'mx' | 'directory'>) {
    this.redis = parts.redis
    this.mx = parts.mx
    this.directory = parts.directory
  }

  static async start(t: TestContext): Promise<Cluster> {
    const redis = await startRedis()
    const directory = await mkdtemp(join(tmpdir(), 'redis-relay-'))
    const mx = await ScriptedMx.start({})
    const cluster = new Cluster({ redis, mx, directory })
    t.after(async () => {
      await Promise.all(cluster.#relays.map((relay) => relay[Symbol.asyncDispose]()))
      await mx.stop()
      await redis[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    })
    return cluster
  }

  /** One more relay with a data_dir and ports of its own; stopped when the test ends, if not before. */
  async relay(delivers = true): Promise<WholeRelay> {
    const relay = await WholeRelay.start({
      settings: `
data_dir = "${this.directory}/node-${this.#relays.length}"
[queue]
engine = "redis"
redis_url = "${this.redis.socket}"
content_dir = "${this.directory}/content"
[delivery]
port = ${delivers ? this.mx.port : 1}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
      records: { 'example.test': { MX: [[10, MX]] }, [MX]: { A: [this.mx.address] } },
    })
    this.#relays.push(relay)
    return relay
  }
}

async function submit(relay: WholeRelay, subject: string): Promise<string> {
  const client = await relay.greeted()
  await client.command('MAIL FROM:<app@sender.test>')
  await client.command('RCPT TO:<someone@example.test>')
  await client.command('DATA')
  client.send(`Subject: ${subject}\r\nFrom: <app@sender.test>\r\n\r\nhello\r\n.\r\n`)
  const reply = await client.reply()
  await client.quit()
  return reply?.lines.join('') ?? ''
}

describe('whole relays on one Redis', () => {
  test('one relay takes a message in and delivers it', async (t) => {
    const cluster = await Cluster.start(t)
    const relay = await cluster.relay()
    assert.match(await submit(relay, 'one'), /queued as/)
    await relay.until(() => cluster.mx.messages.length === 1)
  })
})
