/**
 * The child process of a suspect's retry, with a defect: it dies of messages whose size is this many octets, as a
 * native crash would make it. Everything else is delivered by the real child.
 */
import type { ToChild } from '../../packages/mta/src/delivery/suspect-protocol.ts'

const DEADLY_OCTETS = 4_242

process.prependListener('message', (message: ToChild) => {
  if (message.kind === 'task' && message.task.claim.envelope.size === DEADLY_OCTETS)
    process.kill(process.pid, 'SIGKILL')
})

await import('../../packages/mta/src/delivery/suspect-child.ts')
