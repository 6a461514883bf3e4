/** Whole relays on one real redis-server: what each of them counts is one sum, and one report, for all of them. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { runHermetic } from '../lab/command-lab.ts'
import { longEnoughDay } from '../lab/long-enough-day.ts'
import { startRedis } from '../lab/redis-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { submit } from './redis-relay-lab.ts'

const MX = 'mx.example.test'
const RELAYS = 3
const MESSAGES = 9

test('RPT-66: three relays make one report, with the sessions of all of them, also when one has stopped', async () => {
  covers('RPT-66', { observe: 'store' })
  await longEnoughDay()
  const directory = await mkdtemp(join(tmpdir(), 'redis-reports-'))
  await using opened = new AsyncDisposableStack()
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const redis = opened.use(await startRedis())
  const mx = opened.use(await ScriptedMx.start())
  const start = (node: number): Promise<WholeRelay> =>
    WholeRelay.start({
      settings: settings({ dataDir: join(directory, `node-${node}`), directory, redis: redis.socket, port: mx.port }),
      records: {
        'example.test': { MX: [[10, MX]] },
        [MX]: { A: [mx.address] },
        '_smtp._tls.example.test': { TXT: ['v=TLSRPTv1; rua=mailto:reports@example.org'] },
      },
    })
  const relays = await Promise.all(Array.from({ length: RELAYS }, (_, node) => start(node)))
  for (const relay of relays) opened.use(relay)
  const [first, last] = [relays[0], relays.at(-1)]
  assert.ok(first !== undefined && last !== undefined)
  const answers = await Promise.all(
    Array.from({ length: MESSAGES }, (_, at) => submit(relays[at % RELAYS] ?? first, `message ${at}`)),
  )
  for (const answer of answers) assert.match(answer, /queued as/)
  await first.until(() => mx.messages.length === MESSAGES)
  await last.relay.stop('test')
  const sessions = mx.connections.length
  let shown = ''
  for (let tries = 0; tries < 40 && !shown.includes(` ${sessions} failed`); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    shown = (await runHermetic(first.file, 'tlsrpt', 'show', 'example.test', 'today')).out
  }
  assert.match(shown, new RegExp(`^no-policy-found example\\.test: 0 good, ${sessions} failed$`, 'm'))
  const preview = await runHermetic(first.file, 'tlsrpt', 'run', '--dry-run', '--json')
  assert.equal(preview.out.trim().split('\n').length, 1)

  await Promise.all(relays.map(({ relay }) => relay.stop('test')))
  const alone = await runHermetic(first.file, 'tlsrpt', 'show', 'example.test', 'today')
  assert.equal(alone.err, 'No relay runs on this data_dir; reading Redis directly.\n')
  assert.match(alone.out, new RegExp(`0 good, ${sessions} failed$`, 'm'))
  assert.match((await runHermetic(first.file, 'tlsrpt', 'pending')).err, /^No report waits\.$/m)
  assert.match((await runHermetic(first.file, 'tlsrpt', 'run')).err, /only a relay sends reports/)
})

interface Place {
  readonly dataDir: string
  readonly directory: string
  readonly redis: string
  readonly port: number
}

function settings({ dataDir, directory, redis, port }: Place): string {
  return `
data_dir = "${dataDir}"
[queue]
engine = "redis"
redis_url = "${redis}"
content_dir = "${directory}/content"
[tlsrpt]
enabled = true
organization = "Example Inc."
contact = "tls-reports@relay.example.test"
[delivery]
port = ${port}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
}
