/**
 * `fairness/main.ts [--small] [--engine embedded|redis] [--rounds N] [--no-write]`: how long mail to healthy domains takes
 * alone, behind a tar pit and behind lanes that never answer, and what memory that takes. Each measurement has a process of
 * its own, so that it has a peak of its own. Fails when the middle of the rounds is over twice the time alone.
 */
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Beside, type Measured, measure, type Sizes } from './fairness.ts'

const FULL: Sizes = { healthyDomains: 200, healthyMessages: 2_000, tarPitMessages: 20_000, silentLanes: 5_000 }
const SMALL: Sizes = { healthyDomains: 40, healthyMessages: 200, tarPitMessages: 300, silentLanes: 300 }
/** So little mail is through in a moment, and the moment counts for more. */
const SMALL_SLACK_MS = 1_000
const FACTOR_MAX = 2
const ROUNDS = 3
const ALL: readonly Beside[] = ['alone', 'tar-pit', 'silent-lanes']
const MIB = 1024 * 1024

interface Round extends Measured {
  readonly peakRssBytes: number
}

interface Row {
  readonly beside: Beside
  readonly rounds: readonly Round[]
  readonly middleMs: number
}

const { values } = parseArgs({
  allowNegative: true,
  options: {
    small: { type: 'boolean', default: false },
    engine: { type: 'string', default: 'embedded' },
    rounds: { type: 'string', default: String(ROUNDS) },
    write: { type: 'boolean' },
    /** One measurement, in a child of this program. */
    only: { type: 'string' },
  },
})

const only = ALL.find((one) => one === values.only)
if (only === undefined) process.exitCode = await main()
else await measureHere(only)

async function measureHere(beside: Beside): Promise<void> {
  const measured = await measure(values.small ? SMALL : FULL, beside)
  const round: Round = { ...measured, peakRssBytes: process.resourceUsage().maxRSS * 1024 }
  // Infinity, of mail that did not arrive, is null in JSON.
  process.stdout.write(JSON.stringify(round), () => process.exit())
}

async function main(): Promise<number> {
  const { small, engine } = values
  if (engine !== 'embedded' && engine !== 'redis') throw new Error(`--engine is embedded or redis, not ${engine}`)
  const rounds = Number(values.rounds)
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error(`--rounds takes a number, not ${values.rounds}`)
  const load = loadavg()[0] ?? 0
  console.log(
    `soak fairness: ${engine}, ${sizeWords(small ? SMALL : FULL)}, rounds: ${rounds}, load ${load.toFixed(1)}`,
  )
  const all = new Map<Beside, Round[]>(ALL.map((beside) => [beside, []]))
  // One after the other in each round: what else the machine does meets all of them.
  for (let round = 1; round <= rounds; round += 1) {
    for (const [beside, measured] of all) {
      const one = inChild(beside, engine)
      measured.push(one)
      console.log(`  round ${round}, ${beside}: ${roundWords(one)}`)
    }
  }
  const rows = [...all].map(([beside, measured]): Row => ({ beside, rounds: measured, middleMs: middle(measured) }))
  const table = tableOf(rows)
  console.log(`\n${table}`)
  if (values.write ?? !small) await writeReport(table, { engine, rounds, load })
  const problems = problemsOf(rows, small ? SMALL_SLACK_MS : 0)
  for (const problem of problems) console.log(`soak fairness: ${problem}`)
  return problems.length === 0 ? 0 : 1
}

function inChild(beside: Beside, engine: string): Round {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), '--only', beside, ...(values.small ? ['--small'] : [])]
  const env = { ...process.env, ENGINE_OF_TEST: engine }
  const { status, stdout } = spawnSync(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  if (status !== 0) throw new Error(`the measurement beside ${beside} ended with ${status}`)
  const round = JSON.parse(String(stdout)) as Omit<Round, 'healthyMs'> & { readonly healthyMs: number | null }
  return { ...round, healthyMs: round.healthyMs ?? Number.POSITIVE_INFINITY }
}

function middle(rounds: readonly Round[]): number {
  const sorted = rounds.map(({ healthyMs }) => healthyMs).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY
}

function problemsOf(rows: readonly Row[], slackMs: number): readonly string[] {
  const aloneMs = rows.find(({ beside }) => beside === 'alone')?.middleMs ?? 0
  return rows.flatMap(({ beside, middleMs }) =>
    middleMs <= FACTOR_MAX * aloneMs + slackMs ? [] : [`beside ${beside}: over ${FACTOR_MAX} times as long as alone`],
  )
}

function tableOf(rows: readonly Row[]): string {
  const aloneMs = rows.find(({ beside }) => beside === 'alone')?.middleMs ?? Number.NaN
  const lines = rows.map(({ beside, rounds, middleMs }) => {
    const most = (of: (round: Round) => number): number => Math.max(...rounds.map(of))
    return [
      ...[beside, seconds(middleMs), rounds.map(({ healthyMs }) => seconds(healthyMs)).join(', ')],
      (middleMs / aloneMs).toFixed(2),
      String(most(({ stuckMost }) => stuckMost)),
      ...[mebibytes(most(({ heapGrownBytes }) => heapGrownBytes)), mebibytes(most(({ peakRssBytes }) => peakRssBytes))],
    ]
  })
  const head = ['beside', 'middle', 'each round', 'times alone', 'stuck at once, most', 'heap grown, most', 'peak RSS']
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

async function writeReport(
  table: string,
  { engine, rounds, load }: { readonly engine: string; readonly rounds: number; readonly load: number },
): Promise<void> {
  const date = new Date().toISOString().slice(0, 10)
  const text = `# Fairness on ${engine}, ${date}

Made by \`tools/node test/soak/fairness/main.ts --engine ${engine} --rounds ${rounds}\`: ${sizeWords(FULL)}.
A whole relay with 100 slots and everybody it talks to in one process, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), load ${load.toFixed(1)} at the start,
Node.js ${process.version}. Redis, where it is used, is a process of its own, which RSS leaves out.

${table}`
  await writeFile(new URL(`../../../docs/measurements/soak-fairness-${engine}-${date}.md`, import.meta.url), text)
}

function sizeWords({ healthyDomains, healthyMessages, tarPitMessages, silentLanes }: Sizes): string {
  return `${healthyMessages} messages to ${healthyDomains} healthy domains, alone, behind ${tarPitMessages} messages to a tar pit, and behind ${silentLanes} silent lanes`
}

function roundWords({ healthyMs, stuckMost, heapGrownBytes, peakRssBytes }: Round): string {
  return `${seconds(healthyMs)}, ${stuckMost} stuck at most, heap +${mebibytes(heapGrownBytes)}, peak RSS ${mebibytes(peakRssBytes)}`
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1_000).toFixed(2)} s` : 'did not arrive'
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}
