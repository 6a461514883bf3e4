/**
 * One time for everything: ends at a number of milliseconds or at the caller's signal, and knows which of the two it
 * was. Steps take `signal`; those that cannot be stopped are left behind with `orOver`.
 */
import type { HttpsFailure, HttpsPhase } from './https-failure.ts'

export class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #parent: AbortSignal | undefined
  readonly #onParentAbort = () => this.#end('aborted')
  #over: 'timeout' | 'aborted' | undefined

  constructor(ms: number, parent?: AbortSignal) {
    this.#timer = setTimeout(() => this.#end('timeout'), ms)
    this.#parent = parent
    if (parent?.aborted) this.#end('aborted')
    else parent?.addEventListener('abort', this.#onParentAbort)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Why it ended; undefined while there is time. */
  get over(): 'timeout' | 'aborted' | undefined {
    return this.#over
  }

  /** What to call the end in this phase. */
  failure(phase: HttpsPhase): HttpsFailure {
    return this.#over === 'aborted' ? { kind: 'aborted' } : { kind: 'timeout', phase }
  }

  /** Undefined when the deadline came first; what the promise does afterwards is nobody's concern. */
  orOver<T>(promise: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const onAbort = () => resolve(undefined)
      if (this.signal.aborted) onAbort()
      this.signal.addEventListener('abort', onAbort)
      promise.then(resolve, reject).finally(() => this.signal.removeEventListener('abort', onAbort))
    })
  }

  /** To be called when the work is done: leaves neither timer nor listener behind. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#parent?.removeEventListener('abort', this.#onParentAbort)
  }

  #end(why: 'timeout' | 'aborted'): void {
    this.#over ??= why
    this[Symbol.dispose]()
    this.#controller.abort()
  }
}
