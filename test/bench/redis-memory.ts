/**
 * What a queued message costs in the memory of Redis: the growth of `used_memory` over some thousand accepted messages
 * of 5 KB, once of text that compresses well, as the bench sends it, once of base64 of random bytes, as attachments are.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { message } from '../../packages/mta/src/spool/spool.fixture.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

const MESSAGES = 4000
const AT_ONCE = 200
const CONTENT_BYTES = 5 * 1024
const LINE = 'The quick brown fox jumps over the lazy dog and the relay carries it all.\r\n'

export async function redisMemoryNote(dir: string): Promise<string> {
  await using redis = await startRedis()
  const text = await bytesEach(redis, dir, () => Buffer.from(LINE.repeat(CONTENT_BYTES / LINE.length)))
  const base64 = await bytesEach(redis, dir, () => Buffer.from(randomBytes((CONTENT_BYTES * 3) / 4).toString('base64')))
  return `Redis memory for each queued message of 5 KB: ${text} bytes of text, ${base64} bytes of base64`
}

async function bytesEach(redis: RedisServer, dir: string, content: () => Buffer): Promise<string> {
  const opened = await openRedisSpool({
    ...{ address: { url: redis.socket }, queue: 'memory', durability: 'strict', maxBytes: 1024 ** 3 },
    ...{ dataDir: `${dir}/redis-memory`, contentDir: `${dir}/redis-memory-content` },
    emit: () => undefined,
  })
  if (!opened.ok) throw new Error(JSON.stringify(opened.error))
  const spool = opened.value
  const before = await usedMemory(redis)
  for (let made = 0; made < MESSAGES; made += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const bytes = content()
        const outcome = await spool.accept(message([1], { receivedAt: Date.now(), content: { kind: 'memory', bytes } }))
        if (outcome.kind !== 'accepted') throw new Error(outcome.kind)
      }),
    )
  }
  const each = ((await usedMemory(redis)) - before) / MESSAGES
  await spool.close()
  return each.toFixed(0)
}

async function usedMemory({ socket }: RedisServer): Promise<number> {
  const connection = connect(socket)
  connection.write('INFO memory\r\n')
  let told = ''
  for await (const chunk of connection) {
    told += String(chunk)
    const [, used] = /^used_memory:(\d+)\r$/m.exec(told) ?? []
    if (used !== undefined) return Number(used)
  }
  throw new Error('Redis does not tell its memory')
}
