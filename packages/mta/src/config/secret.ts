/**
 * A value that must not be seen: every way of printing it gives `[redacted]`. Pure.
 *
 * Reading it takes a call that is easy to find. Nothing is promised about memory: V8 may keep copies.
 */
import { inspect } from 'node:util'

export const REDACTED = '[redacted]'

export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [Symbol.toPrimitive](): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}
