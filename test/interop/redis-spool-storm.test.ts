/**
 * Three processes take mail in and deliver it through one queue while they are killed, stopped beyond their leases,
 * and the server is killed and restarted under them. Nothing acknowledged may be lost; what is sent twice is counted
 * and printed: it was in flight in a process that died, stood still or had no server. HERMETIC_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseQueueId, type QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import { fateOf, noticeId } from '../anomaly/spool-load.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { SeededRandom } from '../soak/random.ts'

const CHILD = fileURLToPath(new URL('../anomaly/spool-kill-child.ts', import.meta.url))
const PROCESSES = 3
/** Enough to last as long as the blows. */
const MESSAGES_PER_PROCESS = 1000
const BLOWS = 12
/** Longer than the lease of the child. */
const STANDSTILL_MS = 2500

class Node {
  readonly #directory: string
  readonly #env: NodeJS.ProcessEnv
  readonly ledger: string
  #child: ChildProcess | undefined
  #closed: Promise<number | null> | undefined

  constructor(directory: string, n: number, redis: RedisServer) {
    this.#directory = join(directory, `node-${n}`)
    this.ledger = join(directory, `ledger-${n}`)
    this.#env = { ...process.env, SPOOL_REDIS: redis.socket, SPOOL_CONTENT: join(directory, 'content') }
    writeFileSync(this.ledger, '')
  }

  start(count: number): void {
    const child = spawn(process.execPath, [CHILD, this.#directory, this.ledger, String(count)], {
      stdio: ['ignore', 'ignore', 'ignore'],
      env: this.#env,
    })
    this.#child = child
    this.#closed = once(child, 'close').then(([code]) => code as number | null)
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** Its exit code; null when it was killed. */
  async ended(): Promise<number | null> {
    return (await this.#closed) ?? null
  }
}

/** Who was acknowledged, and how often each was sent, as the processes wrote it down. */
function readLedgers(nodes: readonly Node[]) {
  const accepted = new Set<QueueId>()
  const sent = new Map<QueueId, number>()
  let damaged = 0
  for (const line of nodes.flatMap(({ ledger }) => readFileSync(ledger, 'utf8').split('\n'))) {
    const [fact, name] = line.split(' ')
    const id = parseQueueId(name ?? '')
    if (id === undefined) continue
    if (fact === 'accepted') accepted.add(id)
    if (fact === 'sent') sent.set(id, (sent.get(id) ?? 0) + 1)
    if (fact === 'damaged') damaged += 1
  }
  return { accepted, sent, damaged }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('processes are killed and stopped, the server dies and comes back: nothing acknowledged is lost', async (t) => {
  const seed = Number(process.env['HERMETIC_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const random = new SeededRandom(seed)
  const directory = mkdtempSync(join(tmpdir(), 'redis-spool-storm-'))
  const redis = await startRedis()
  const nodes = Array.from({ length: PROCESSES }, (_, n) => new Node(directory, n, redis))
  t.after(async () => {
    for (const node of nodes) node.signal('SIGKILL')
    await Promise.all(nodes.map((node) => node.ended()))
    await redis[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })
  for (const node of nodes) node.start(MESSAGES_PER_PROCESS)

  const blows = { kill: 0, stop: 0, server: 0 }
  for (let n = 0; n < BLOWS; n += 1) {
    await pause(random.between(100, 700))
    const node = nodes[random.between(0, PROCESSES - 1)]
    assert.ok(node !== undefined)
    const blow = (['kill', 'stop', 'server'] as const)[n % 3] ?? 'kill'
    blows[blow] += 1
    if (blow === 'kill') {
      node.signal('SIGKILL')
      await node.ended()
      node.start(MESSAGES_PER_PROCESS)
    } else if (blow === 'stop') {
      node.signal('SIGSTOP')
      await pause(STANDSTILL_MS)
      node.signal('SIGCONT')
    } else {
      await redis.stop(random.between(0, 1) === 0 ? 'SIGKILL' : 'SIGTERM')
      await pause(random.between(0, 500))
      await redis.start()
    }
  }
  // Whoever ended by a blow of the server comes back until all mail has left.
  for (const node of nodes) {
    while ((await node.ended()) !== 0) node.start(0)
  }

  const { accepted, sent, damaged } = readLedgers(nodes)
  const left = [...accepted].map((id) => (fateOf(id) === 'bounced' ? noticeId(id) : id))
  const lost = left.filter((id) => !sent.has(id))
  const again = [...sent.values()].reduce((sum, times) => sum + times - 1, 0)
  t.diagnostic(`seed ${seed}: ${blows.kill} kills, ${blows.stop} standstills, ${blows.server} times without a server`)
  t.diagnostic(`${accepted.size} acknowledged, ${lost.length} lost, ${damaged} damaged, ${again} sent again`)
  assert.deepEqual([lost, damaged], [[], 0])
  assert.ok(accepted.size > 500, 'mail was flowing')
})
