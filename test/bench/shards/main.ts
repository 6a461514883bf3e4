/**
 * `tools/node test/bench/shards/main.ts [--write]`: how many shards and nodes a queue of 10,000 busy lanes and 100 million
 * messages a day takes, from unit costs that are measured now on a real redis-server and a simulation of its lanes.
 * Seconds. What the answer means is in docs/operating/scaling.md.
 */
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { SeededRandom } from '../../soak/random.ts'
import { type SimulatedLoad, simulateLanes } from './lane-simulation.ts'
import { measureUnitCosts, type UnitCosts } from './unit-costs.ts'

const LANES = 10_000
const SIMULATED_S = 30
const DAY_S = 86_400
/** Of the mail of a day, in its busiest hour, beside the mean. */
const PEAK = 3
/** Attempts for each message: one in ten is put off once. */
const ATTEMPTS = 1.1
/** A server that is busy for more of its time makes everybody wait; the rest is for bursts, rewrites, and a failover. */
const BUSY_MAX = 0.5
/** docs/measurements/bench-2026-11-22.md, scenario b: STARTTLS and AUTH for each message, the dearest small one. */
const RELAY_MS = 1.3
const NODE_CORES = 4
/** All destinations are away for so long. */
const BACKLOG_H = 4

interface Row {
  readonly perDay: number
  readonly load: SimulatedLoad
  readonly redisCores: number
  readonly shards: number
  readonly relayCores: number
  readonly nodes: number
  readonly backlogBytes: number
}

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
const costs = await measureUnitCosts()
const rows = [1e6, 1e7, 1e8].map((perDay) => rowOf(perDay, costs))
const text = told(costs, rows)
console.log(text)
if (values.write) {
  const date = new Date().toISOString().slice(0, 10)
  await writeFile(new URL(`../../../docs/measurements/shards-${date}.md`, import.meta.url), text)
}

function rowOf(perDay: number, { acceptMs, deliverMs, turnMs, bytes }: UnitCosts): Row {
  const mean = perDay / DAY_S
  const load = simulateLanes(
    { lanes: LANES, messagesPerSecond: mean * PEAK, seconds: SIMULATED_S },
    new SeededRandom(1),
  )
  const messages = load.messages / SIMULATED_S
  const turns = load.turns / SIMULATED_S
  const redisCores = (messages * (acceptMs + ATTEMPTS * deliverMs) + ATTEMPTS * turns * turnMs) / 1_000
  const relayCores = (messages * RELAY_MS) / 1_000
  return {
    ...{ perDay, load, redisCores, relayCores },
    shards: Math.max(1, Math.ceil(redisCores / BUSY_MAX)),
    // One more than is needed: any of them may be away.
    nodes: Math.ceil(relayCores / (NODE_CORES * BUSY_MAX)) + 1,
    backlogBytes: mean * BACKLOG_H * 3_600 * bytes,
  }
}

function told({ acceptMs, deliverMs, turnMs, bytes }: UnitCosts, all: readonly Row[]): string {
  const ms = (value: number): string => value.toFixed(3)
  const lines = all.map(({ perDay, load, redisCores, shards, relayCores, nodes, backlogBytes }) => {
    const second = (count: number): string => Math.round(count / SIMULATED_S).toLocaleString('en')
    const gib = backlogBytes / 1024 ** 3
    return `| ${perDay / 1e6} million | ${second(load.messages)} | ${second(load.turns)} | ${Math.round(load.lanesAtOnce).toLocaleString('en')} | ${redisCores.toFixed(2)} | **${shards}** | ${(gib / shards).toFixed(1)} GiB | ${relayCores.toFixed(1)} | **${nodes}** |`
  })
  return `# Shards and nodes for ${LANES.toLocaleString('en')} busy lanes

Made by \`tools/node test/bench/shards/main.ts --write\` on ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node.js ${process.version}, Redis with \`appendfsync always\`, 5 KB a message.

| measured unit cost | |
|---|---|
| CPU of Redis to accept a message | ${ms(acceptMs)} ms |
| … to claim, read and settle it | ${ms(deliverMs)} ms |
| … for a turn: due time, lane job, permit | ${ms(turnMs)} ms |
| memory of a message that waits | ${Math.round(bytes).toLocaleString('en')} bytes |

Simulated: the busiest hour has ${PEAK} times the mean, the n-th destination gets 1/n of the mail of the largest, ${ATTEMPTS} attempts a message. A
Redis is planned to be busy for half of its time, a relay of ${NODE_CORES} cores too (${RELAY_MS} ms a message: STARTTLS and AUTH each time), and one relay is
spare. Memory is for ${BACKLOG_H} hours of mail that nobody takes.

| messages a day | a second, at peak | turns a second | turns at once | cores of Redis | shards | memory of each | cores of relays | relays of ${NODE_CORES} cores |
|---|---|---|---|---|---|---|---|---|
${lines.join('\n')}

Arithmetic from measurements and a simulation; nothing of that size was run.
`
}
