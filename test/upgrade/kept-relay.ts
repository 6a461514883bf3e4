/**
 * Relays of earlier versions, as they lay on disk and in Redis when they had stopped: what `keep.ts` wrote once, for good.
 * A kept relay is one gzipped JSON file, `<engine>-<name>.json.gz`.
 */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { redisOf, type TestEngine } from '../lab/engine-of-test.ts'

export interface KeptRelay {
  /** Schema versions and day, for people. */
  readonly about: string
  /** What the relay had promised to deliver. */
  readonly mails: readonly KeptMail[]
  /** Path below data_dir → content in base64; a directory is a path with a slash at its end. */
  readonly files: Readonly<Record<string, string>>
  /** Key in base64 → its dump in base64. */
  readonly redis: Readonly<Record<string, string>>
}

export interface KeptMail {
  readonly id: string
  /** Recipients that still wait. */
  readonly waiting: readonly string[]
  readonly held: boolean
  /** SHA-256 of the content that the client sent, in hexadecimal. */
  readonly contentSha256: string
}

const HERE = new URL('./', import.meta.url)
/** The reserve is empty space, and sockets and locks belong to a process. */
const FILE_BYTES_MAX = 4 * 1024 * 1024
const CONNECT_MS = 5_000

export async function keptRelays(
  engine: TestEngine,
): Promise<readonly { readonly name: string; readonly kept: KeptRelay }[]> {
  const names = (await readdir(HERE))
    .filter((name) => name.startsWith(`${engine}-`) && name.endsWith('.json.gz'))
    .sort()
  assert.ok(names.length > 0, `no kept relay of the engine ${engine}`)
  return Promise.all(
    names.map(async (name) => ({
      name: name.replace('.json.gz', ''),
      kept: JSON.parse(gunzipSync(await readFile(new URL(name, HERE))).toString('utf8')) as KeptRelay,
    })),
  )
}

export async function keep(
  file: string,
  {
    dataDir,
    engine,
    ...about
  }: Pick<KeptRelay, 'about' | 'mails'> & { readonly dataDir: string; readonly engine: TestEngine },
): Promise<string> {
  const files: Record<string, string> = {}
  for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const below = path.slice(dataDir.length + 1)
    if (entry.isDirectory()) files[`${below}/`] = ''
    if (!entry.isFile()) continue
    const content = await readFile(path)
    if (content.length <= FILE_BYTES_MAX) files[below] = content.toString('base64')
  }
  const redis = engine === 'redis' ? await withRedis(dataDir, dumped) : {}
  const kept: KeptRelay = { ...about, files, redis }
  const path = new URL(`${engine}-${file}.json.gz`, HERE)
  await writeFile(path, gzipSync(JSON.stringify(kept), { level: 9 }))
  return path.pathname
}

/** Lays it out again: in an empty data_dir, and in the Redis of that data_dir. */
export async function layOut({ files, redis }: KeptRelay, dataDir: string): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const target = join(dataDir, path)
    const isDirectory = path.endsWith('/')
    await mkdir(isDirectory ? target : dirname(target), { recursive: true, mode: 0o700 })
    if (isDirectory) continue
    await writeFile(target, Buffer.from(content, 'base64'), { mode: 0o600 })
  }
  if (Object.keys(redis).length === 0) return
  await withRedis(dataDir, async (client) => {
    for (const [key, dump] of Object.entries(redis)) {
      await client.restore(Buffer.from(key, 'base64'), 0, Buffer.from(dump, 'base64'))
    }
  })
}

async function dumped(client: RedisClient): Promise<Readonly<Record<string, string>>> {
  const dumps: Record<string, string> = {}
  for (const key of await client.keysBuffer('*')) {
    const dump = await client.dumpBuffer(key)
    if (dump !== null) dumps[key.toString('base64')] = dump.toString('base64')
  }
  return dumps
}

async function withRedis<T>(dataDir: string, use: (client: RedisClient) => Promise<T>): Promise<T> {
  const client = connectRedis({ url: (await redisOf(dataDir)).socket })
  try {
    await connected(client, CONNECT_MS)
    return await use(client)
  } finally {
    client.disconnect()
  }
}
