/**
 * `failover/main.ts [--small] [--seed N]`: relays on a Redis that fails over again and again under load, behind Sentinels
 * and in a Cluster, with a healthy link to the replica and with one that breaks just before the master dies. What is
 * lost and repeated is counted, and must lie in the documented window. Outside of CI: `test/interop` has the small form.
 */
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { type RedisFailover, redisBehindSentinels, redisCluster } from '../../lab/redis-failover.ts'
import { readSoakOptions } from '../soak-options.ts'
import { failoverProblems, failoverRows } from './failover-report.ts'
import { type FailoverPlan, type FailoverResult, runFailovers } from './failover-run.ts'

interface Scene {
  readonly title: string
  readonly make: () => Promise<RedisFailover>
  readonly cutLinkMs: number
}

const CUT_MS = 300
const SCENES: readonly Scene[] = [
  { title: 'three Sentinels, a master, a replica', make: () => redisBehindSentinels(), cutLinkMs: 0 },
  { title: 'a Cluster of three masters with a replica each', make: redisCluster, cutLinkMs: 0 },
  {
    title: `Sentinels; the link to the replica breaks ${CUT_MS} ms before the master dies`,
    make: () => redisBehindSentinels(),
    cutLinkMs: CUT_MS,
  },
  {
    title: 'the same with min-replicas-to-write 1',
    make: () => redisBehindSentinels({ lines: ['min-replicas-to-write 1', 'min-replicas-max-lag 2'] }),
    cutLinkMs: CUT_MS,
  },
]

process.exitCode = await main()

async function main(): Promise<number> {
  const { small, seed, write } = readSoakOptions()
  const size = small ? { relays: 2, messages: 300, failovers: 1 } : { relays: 3, messages: 3_000, failovers: 4 }
  console.log(
    `soak failover: ${size.messages} messages, ${size.relays} relays, ${size.failovers} failovers, seed ${seed}`,
  )
  const problems: string[] = []
  const results: { readonly scene: Scene; readonly result: FailoverResult }[] = []
  for (const scene of SCENES) {
    const plan: FailoverPlan = { ...size, seed, largeShare: 0.05, cutLinkMs: scene.cutLinkMs }
    const redis = await scene.make()
    try {
      const result = await runFailovers(redis, plan)
      results.push({ scene, result })
      problems.push(...failoverProblems(result, plan.messages).map((problem) => `${scene.title}: ${problem}`))
      console.log(
        `\n${scene.title}\n${failoverRows(result)
          .map((row) => `  ${row.join(': ')}`)
          .join('\n')}`,
      )
    } finally {
      await redis[Symbol.asyncDispose]()
    }
  }
  for (const problem of problems) console.log(`soak failover: ${problem}`)
  if (write) await writeReport(results, { ...size, seed })
  return problems.length === 0 ? 0 : 1
}

async function writeReport(
  results: readonly { readonly scene: Scene; readonly result: FailoverResult }[],
  size: Pick<FailoverPlan, 'relays' | 'messages' | 'failovers' | 'seed'>,
): Promise<void> {
  const date = new Date().toISOString().slice(0, 10)
  const sections = results.map(({ scene, result }) => {
    const rows = failoverRows(result).map(([what, value]) => `| ${what} | ${value} |`)
    return `## ${scene.title}\n\n| | |\n|---|---|\n${rows.join('\n')}\n`
  })
  const text = `# Failovers under load, ${date}

Made by \`tools/node test/soak/failover/main.ts --seed ${size.seed}\`: ${size.relays} relays as processes accept and deliver ${size.messages} messages (5 % of them
in content files) while the master of Redis is killed with SIGKILL ${size.failovers} times. Redis 7.0 with \`appendfsync always\`,
\`durability = "relaxed"\`: a 250 does not wait for the replica. ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node.js ${process.version},
everything on one machine; Sentinels call a master dead after 0.5 s, nodes of the Cluster after 1 s.

${sections.join('\n')}
The window is that of [redis-failover.md](../operating/redis-failover.md): whatever happened in the last second before the master died.
`
  await writeFile(new URL(`../../../docs/measurements/soak-failover-${date}.md`, import.meta.url), text)
}
