/** The compose files as docker-compose reads them, and what they mount as those who read that take it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { connected, connectRedis } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { durability } from '../../packages/mta/src/spool/adapters/redis-durability.ts'
import type { RedisReply } from '../../packages/mta/src/spool/adapters/redis-records.ts'
import { gatherDurability } from '../../packages/mta/src/spool/adapters/redis-server-facts.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { labAuthority } from '../lab/world-host.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const REDIS_MS = 5_000
const ROLES = ['submission', 'delivery', 'reporter', 'api'] as const

interface Service {
  readonly image: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly stop_grace_period?: string
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

let directory: string

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hermetic-compose-'))
  cpSync(`${ROOT}deploy`, join(directory, 'deploy'), { recursive: true })
  writeFileSync(join(directory, 'deploy/compose/many/grafana-password'), 'secret')
  const { key, cert } = await certificateFor('relay.example.com', 'good', await labAuthority())
  mkdirSync(join(directory, 'tls'))
  writeFileSync(join(directory, 'tls/privkey.pem'), String(key))
  writeFileSync(join(directory, 'tls/fullchain.pem'), String(cert))
  mkdirSync(join(directory, 'api'))
  writeFileSync(join(directory, 'api/tokens.json'), '{"version": 1, "tokens": []}', { mode: 0o600 })
})
after(() => rmSync(directory, { recursive: true, force: true }))

for (const folder of ['one', 'many'] as const) {
  describe(`deploy/compose/${folder}`, () => {
    test('is taken by docker-compose, and its relays run without rights on a read-only root', () => {
      const relays = relaysOf(folder)
      assert.deepEqual([...relays.keys()].sort(), folder === 'one' ? ['hermetic'] : [...ROLES].sort())
      for (const { read_only: readOnly, cap_drop: dropped, stop_grace_period: grace } of relays.values()) {
        assert.deepEqual([readOnly, dropped, grace], [true, ['ALL'], '60s'])
      }
    })

    test('has a configuration that each of its relays takes, with the variables of its service', async () => {
      using lab = new TerminalLab()
      const text = readFileSync(`${ROOT}deploy/compose/${folder}/hermetic.toml`, 'utf8')
      lab.file('hermetic.toml', here(text))
      for (const [name, { environment = {} }] of relaysOf(folder)) {
        lab.env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, here(value)]))
        const { code, out, err } = await lab.run('check-config', '--json')
        assert.equal(code, 0, err)
        const { role, listener, api } = JSON.parse(out)
        assert.deepEqual(role, folder === 'one' ? [...ROLES] : [name])
        assert.equal(listener.length > 0, folder === 'one' || name === 'submission')
        assert.equal(api.listen !== undefined, name === 'api')
      }
    })
  })
}

/** As docker-compose reads them, by name. */
function relaysOf(folder: 'one' | 'many'): ReadonlyMap<string, Service> {
  const read = spawnSync('docker-compose', ['--profile', 'api', 'config'], {
    cwd: join(directory, 'deploy/compose', folder),
    encoding: 'utf8',
  })
  assert.equal(read.status, 0, read.stderr)
  assert.equal(read.stderr, '')
  const { services }: { readonly services: Readonly<Record<string, Service>> } = parse(read.stdout)
  return new Map(Object.entries(services).filter(([, { image }]) => image.startsWith('hermetic:')))
}

/** What is mounted there is here. */
function here(text: string): string {
  return text
    .replaceAll('/etc/hermetic-tls', join(directory, 'tls'))
    .replaceAll('/etc/hermetic-api', join(directory, 'api'))
}

test('the Redis of many relays is one that loses nothing', async () => {
  const socket = join(directory, 'redis.sock')
  const file = join(directory, 'redis.conf')
  const settings = readFileSync(`${ROOT}deploy/compose/many/redis.conf`, 'utf8').replace(
    'dir /data',
    `dir ${directory}`,
  )
  writeFileSync(file, settings)
  const redis = spawn('redis-server', [file, '--port', '0', '--unixsocket', socket], { stdio: 'ignore' })
  const ended = once(redis, 'exit')
  const giveUpAt = performance.now() + REDIS_MS
  while (!existsSync(socket) && redis.exitCode === null && performance.now() < giveUpAt) await sleep(20)
  const client = connectRedis({ url: socket })
  try {
    await connected(client, REDIS_MS)
    const facts = await gatherDurability({
      call: async (command, ...args) => (await client.callBuffer(command, ...args)) as RedisReply,
    })
    const { kind, findings } = durability(facts)
    assert.deepEqual([kind, findings], ['durable', []])
  } finally {
    client.disconnect()
    redis.kill('SIGKILL')
    await ended
  }
})
