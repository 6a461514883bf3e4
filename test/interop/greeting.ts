/**
 * Whether an SMTP server greets on a port of loopback (RFC 5321 §3.1): the sign that a server is ready. A TCP
 * connection alone is not: something may have bound the port before it serves it.
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 2_000
const POLL_MS = 50

export function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const answer = (ready: boolean): void => {
      socket.destroy()
      resolve(ready)
    }
    socket.setTimeout(PATIENCE_MS, () => answer(false))
    socket.on('error', () => answer(false))
    socket.on('close', () => resolve(false))
    socket.once('data', (chunk: Buffer) => answer(chunk.toString('latin1', 0, 3) === '220'))
  })
}

export async function untilGreeting(port: number, timeoutMs: number): Promise<void> {
  const until = performance.now() + timeoutMs
  while (!(await greets(port))) {
    if (performance.now() > until) throw new Error(`no SMTP server greets on port ${port}`)
    await sleep(POLL_MS)
  }
}
