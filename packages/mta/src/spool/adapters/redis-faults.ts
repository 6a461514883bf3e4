/**
 * The fault port in front of the Redis store, for tests: operations that change the store fail, wait or lose their
 * answer at the points of `faults.ts`, one after the other, as they would behind one connection that hangs.
 * `thread` is the connection here. Production has none of this.
 */
import { InjectedFault, type SpoolFaults } from '../faults.ts'
import { StoreFailed, type StoreFailure } from '../store-failed.ts'
import type { SpoolStore, StoreOperationName, StoreOperations } from '../store-protocol.ts'

const MUTATING: ReadonlySet<StoreOperationName> = new Set([
  'accept',
  'settle',
  'change',
  'void',
  'probe',
  'enter',
  'take-out',
])

export interface FaultyStoreParts {
  readonly store: SpoolStore
  readonly faults: SpoolFaults
  dropConnection(detail: string): void
  onFailure(failure: StoreFailure): void
}

export class FaultyStore implements SpoolStore {
  readonly #parts: FaultyStoreParts
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: FaultyStoreParts) {
    this.#parts = parts
  }

  ask<K extends StoreOperationName>(op: K, ask: StoreOperations[K]['ask']): Promise<StoreOperations[K]['answer']> {
    const store = this.#parts.store
    const answered = this.#last.then(() => (MUTATING.has(op) ? this.#between(() => store.ask(op, ask)) : undefined))
    if (MUTATING.has(op)) {
      this.#last = answered.catch(() => undefined)
      return answered as Promise<StoreOperations[K]['answer']>
    }
    return answered.then(() => store.ask(op, ask))
  }

  waitingMs(): number {
    return this.#parts.store.waitingMs()
  }

  async #between<T>(step: () => Promise<T>): Promise<T> {
    const { faults } = this.#parts
    try {
      await faults.passInTurn('thread')
    } catch (error) {
      this.#parts.dropConnection(String(error))
      throw this.#failed(error)
    }
    try {
      await faults.passInTurn('before-write')
      await faults.passInTurn('before-commit')
    } catch (error) {
      throw this.#failed(error)
    }
    const answer = await step()
    if (await faults.passInTurn('after-commit')) throw this.#failed(new Error('the answer was lost'))
    return answer
  }

  #failed(error: unknown): StoreFailed {
    const full = error instanceof InjectedFault && error.code === 'ENOSPC'
    const failure = { scope: 'store', full, detail: String(error) } as const
    this.#parts.onFailure(failure)
    return new StoreFailed({ ...failure, outcomeUnknown: true })
  }
}
