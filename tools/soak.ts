/**
 * Runs the soaks of `test/soak` one after the other: full size by default, whose results are written to
 * docs/measurements, or `--small --seed N` for CI. Fails when one of them fails; prints the seed to run it again with.
 */
import { spawnSync } from 'node:child_process'

const SOAKS = [
  ['test/soak/kill.ts'],
  ['test/soak/kill.ts', '--engine', 'redis'],
  ['test/soak/cluster/main.ts'],
] as const

if (spawnSync('redis-server', ['--version']).status !== 0) {
  console.error(
    'soak: redis-server is missing; on Debian or Ubuntu: sudo apt-get install --no-install-recommends redis-server',
  )
  process.exit(1)
}

const root = new URL('../', import.meta.url)
const failed = SOAKS.filter((soak) => {
  const run = spawnSync(process.execPath, [...soak, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
  return run.status !== 0
})
if (failed.length > 0) {
  console.error(`soak: failed: ${failed.map((soak) => soak.join(' ')).join(', ')}`)
  process.exit(1)
}
