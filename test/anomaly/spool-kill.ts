/**
 * A spool that is killed at each of its durable steps and at random moments, again and again on one data_dir; then it
 * is left to finish. Seed and counts are printed; set HERMETIC_SEED to repeat a run.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { FaultPoint } from '../../packages/mta/src/spool/faults.ts'
import { SeededRandom } from '../soak/random.ts'
import { SpoolLedger } from './spool-ledger.ts'

const CHILD = fileURLToPath(new URL('./spool-kill-child.ts', import.meta.url))
const MESSAGES_PER_RUN = 150
const RANDOM_KILLS = 2
/** Each of them is passed at least once more than `atLeast` by the load. */
const STEPS: readonly { readonly point: FaultPoint; readonly atLeast: number; readonly spread: number }[] = [
  { point: 'before-write', atLeast: 1, spread: 12 },
  { point: 'before-commit', atLeast: 1, spread: 12 },
  { point: 'after-commit', atLeast: 1, spread: 12 },
  { point: 'file-write', atLeast: 0, spread: 8 },
  { point: 'file-fsync', atLeast: 0, spread: 8 },
  { point: 'file-rename', atLeast: 0, spread: 8 },
  // The first two are the opening's own.
  { point: 'directory-fsync', atLeast: 0, spread: 10 },
  { point: 'file-unlink', atLeast: 0, spread: 6 },
]

/** On the embedded engine, or on Redis behind this socket. */
export async function proveEveryKill(t: TestContext, redisSocket?: string): Promise<void> {
  const seed = Number(process.env['HERMETIC_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.diagnostic(`seed ${seed}`)
  const random = new SeededRandom(seed)
  const world = new KilledWorld(t, redisSocket)
  for (const { point, atLeast, spread } of STEPS) {
    // A quick machine needs fewer passes for the same load: then the first pass that may be meant.
    const died = await world.run([point, 'kill', String(atLeast + random.between(0, spread - 1))])
    if (!died) await world.run([point, 'kill', String(atLeast)])
  }
  const journalling = (skip: number) => ['before-commit', 'fail', String(skip), 'journal-write', 'kill', '0']
  if (!(await world.run(journalling(random.between(2, 6))))) await world.run(journalling(1))
  for (let n = 0; n < RANDOM_KILLS; n += 1) {
    const died = await world.run([], { killAfterMs: random.between(0, 150) })
    if (!died) await world.run([], { killAfterMs: 0 })
  }
  await world.finish()

  const { problems, duplicates } = world.ledger.verdict()
  t.diagnostic(`${world.deaths} deaths, ${world.ledger.accepted.length} acknowledged, ${duplicates} duplicates`)
  assert.deepEqual(problems, [])
  assert.equal(world.deaths, STEPS.length + 1 + RANDOM_KILLS)
}

class KilledWorld {
  readonly ledger = new SpoolLedger()
  deaths = 0
  readonly #folder = mkdtempSync(join(tmpdir(), 'spool-kill-'))

  readonly #env: NodeJS.ProcessEnv

  constructor(t: TestContext, redisSocket: string | undefined) {
    this.#env = { ...process.env, ...(redisSocket === undefined ? {} : { SPOOL_REDIS: redisSocket }) }
    t.after(() => rmSync(this.#folder, { recursive: true, force: true }))
  }

  /** True when the child was killed. */
  async run(armed: readonly string[], { killAfterMs }: { readonly killAfterMs?: number } = {}): Promise<boolean> {
    const { text, signal } = await this.#child(MESSAGES_PER_RUN, armed, killAfterMs)
    this.ledger.tellLines(text)
    this.ledger.died()
    const died = signal === 'SIGKILL'
    if (died) this.deaths += 1
    return died
  }

  /** One run without faults, until the spool is empty. */
  async finish(): Promise<void> {
    const { text, signal, code } = await this.#child(0, [])
    this.ledger.tellLines(text)
    assert.deepEqual([signal, code], [null, 0])
  }

  async #child(count: number, armed: readonly string[], killAfterMs?: number) {
    const ledger = join(this.#folder, 'ledger')
    writeFileSync(ledger, '')
    const child = spawn(process.execPath, [CHILD, join(this.#folder, 'data'), ledger, String(count), ...armed], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: this.#env,
    })
    child.stdout.once('data', () => {
      if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    })
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    return { text: readFileSync(ledger, 'utf8'), code, signal }
  }
}
