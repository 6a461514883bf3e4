/**
 * CPU time of a process tree, from a control group of its own: cgroup v1 cpuacct when it is mounted, else v2.
 * The group also knows every process that was started in it, which makes a sure clean-up possible.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'

export interface CpuAccount {
  /** Prefix that puts a command into the group. */
  readonly wrap: readonly string[]
  readonly version: 1 | 2
  seconds(): number
  /** Kills what is left in the group and removes it; a second call does nothing. */
  remove(): void
}

const V1_ROOT = '/sys/fs/cgroup/cpuacct'
const V2_ROOT = '/sys/fs/cgroup'

export function createCpuAccount(name: string): CpuAccount {
  const version = existsSync(`${V1_ROOT}/cpuacct.usage`) ? 1 : 2
  const path = `${version === 1 ? V1_ROOT : V2_ROOT}/hermetic-bench-${process.pid}-${name}`
  mkdirSync(path)
  return {
    wrap: ['sh', '-c', `echo $$ > ${path}/cgroup.procs && exec "$@"`, 'sh'],
    version,
    seconds: () => (version === 1 ? readV1(path) : readV2(path)),
    remove: () => remove(path),
  }
}

function readV1(path: string): number {
  return Number(readFileSync(`${path}/cpuacct.usage`, 'utf8')) / 1e9
}

function readV2(path: string): number {
  const [, micros] = /^usage_usec (\d+)$/m.exec(readFileSync(`${path}/cpu.stat`, 'utf8')) ?? []
  return Number(micros) / 1e6
}

const REMOVE_ATTEMPTS = 50
const REMOVE_PAUSE_MS = 20

function remove(path: string): void {
  if (!existsSync(path)) return
  for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt += 1) {
    for (const pid of readFileSync(`${path}/cgroup.procs`, 'utf8').split('\n').filter(Boolean)) kill(Number(pid))
    try {
      rmdirSync(path)
      return
    } catch {
      // Zombies stay in the group until they are reaped.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REMOVE_PAUSE_MS)
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended between the listing and the signal.
  }
}
