/**
 * A child process of the bench that talks over Node's IPC: start it in a namespace, ask it, end it.
 */
import { type ChildProcess, spawn } from 'node:child_process'

export class BenchChild {
  readonly #child: ChildProcess
  readonly #name: string
  readonly #received: unknown[] = []
  readonly #waiting: { matches(message: unknown): boolean; resolve(message: unknown): void; reject(e: Error): void }[] =
    []

  private constructor(child: ChildProcess, name: string) {
    this.#child = child
    this.#name = name
    child.on('message', (message: unknown) => this.#take(message))
    child.on('exit', (code) => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${name} ended with ${code}`))
    })
  }

  static start(
    script: string,
    options: { readonly wrap: readonly string[]; readonly args: readonly string[] },
  ): BenchChild {
    const path = new URL(script, import.meta.url).pathname
    const [file = process.execPath, ...args] = [...options.wrap, process.execPath, path, ...options.args]
    return new BenchChild(spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }), script)
  }

  tell(message: object): void {
    this.#child.send(message)
  }

  /** The next message of this kind; the caller says what it is. */
  next<M extends { readonly kind: string }>(kind: M['kind'], timeoutMs: number): Promise<M> {
    const matches = (message: unknown): boolean => kindOf(message) === kind
    const index = this.#received.findIndex(matches)
    if (index >= 0) return Promise.resolve(this.#received.splice(index, 1)[0] as M)
    return new Promise<M>((resolve, reject) => {
      const waiter = {
        matches,
        resolve: (message: unknown) => {
          clearTimeout(timer)
          resolve(message as M)
        },
        reject: (error: Error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(new Error(`${this.#name}: no ${kind} within ${timeoutMs} ms`))
      }, timeoutMs)
      this.#waiting.push(waiter)
    })
  }

  /** Forgets messages of this kind that nobody asked for. */
  forget(kind: string): void {
    const kept = this.#received.filter((message) => kindOf(message) !== kind)
    this.#received.splice(0, this.#received.length, ...kept)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #take(message: unknown): void {
    const index = this.#waiting.findIndex(({ matches }) => matches(message))
    if (index < 0) this.#received.push(message)
    else this.#waiting.splice(index, 1)[0]?.resolve(message)
  }
}

function kindOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null && 'kind' in message ? message.kind : undefined
}
