/**
 * Runs the soaks of `test/soak` one after the other: full size by default, whose results are written to
 * docs/measurements, or `--small --seed N` for CI. Fails when one of them fails; prints the seed to run it again with.
 */
import { spawnSync } from 'node:child_process'

const SOAKS = ['test/soak/kill.ts', 'test/soak/cluster/main.ts']

const root = new URL('../', import.meta.url)
const failed = SOAKS.filter((soak) => {
  const run = spawnSync(process.execPath, [soak, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
  return run.status !== 0
})
if (failed.length > 0) {
  console.error(`soak: failed: ${failed.join(', ')}`)
  process.exit(1)
}
