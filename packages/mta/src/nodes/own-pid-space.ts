/**
 * Which space of process ids this process lives in: one boot of one machine, one container. In the same space a pid
 * tells whether another process is dead, so that a relay that was killed takes its id back at once.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { isErrno } from '../spool/durable-file.ts'

/** Empty where the system does not tell; then nothing is concluded from a pid. */
export function ownPidSpace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Somebody else's process is a process too.
    return isErrno(error, 'EPERM')
  }
}
