/**
 * What a failed operation says about the store, in the words that every engine translates its own codes into.
 */
import { StoreUnavailable } from './spool.ts'

export interface StoreFailure {
  /** `operation`: this one is impossible, the store is well. `store`: nothing can be committed or read now. */
  readonly scope: 'operation' | 'store'
  /** Room is missing: the reserve may help. */
  readonly full: boolean
  readonly detail: string
}

/** Why an operation has no answer. */
export class StoreFailed extends StoreUnavailable {
  readonly failure: StoreFailure & { readonly outcomeUnknown: boolean }

  constructor(failure: StoreFailure & { readonly outcomeUnknown: boolean }) {
    super(failure.detail)
    this.failure = failure
  }
}
