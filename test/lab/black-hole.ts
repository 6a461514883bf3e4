/**
 * An address that swallows connection attempts, as a firewall that drops packets does: a listener in a stopped
 * process whose queue is full. Linux drops every further SYN, so a connect neither succeeds nor fails.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const LISTEN = `const [address, port] = process.argv.slice(1)
require('node:net').createServer().listen({ host: address, port: Number(port), backlog: 1 }, () => console.log('up'))`
/** The queue holds one more than its backlog. */
const QUEUE = 2

export class BlackHole implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #queued: readonly Socket[]

  static async open(address: string, port: number): Promise<BlackHole> {
    const child = spawn(process.execPath, ['-e', LISTEN, address, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGSTOP')
    const queued = Array.from({ length: QUEUE }, () => connect({ host: address, port }))
    await Promise.all(queued.map((socket) => once(socket, 'connect')))
    return new BlackHole(child, queued)
  }

  /** Use `open`. */
  private constructor(child: ChildProcess, queued: readonly Socket[]) {
    this.#child = child
    this.#queued = queued
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#queued) socket.on('error', () => undefined).destroy()
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}
