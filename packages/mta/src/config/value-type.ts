/**
 * What one setting may hold: how it stands in TOML, how it is read, and what to say when it cannot be. Pure.
 *
 * A value type knows nothing about where it is used; `setting.ts` turns it into a zod schema, and the
 * templates and documents are written from its name.
 */
import { err, type Result } from '@hermetic/policy'

export interface ValueType<T> {
  /** For people: `duration`, `port number`. */
  readonly name: string
  /** How the value stands in TOML; says also how an environment variable is read. */
  readonly toml: 'string' | 'integer' | 'boolean' | 'array'
  readonly secret?: boolean
  parse(input: unknown): Result<T, ValueProblem>
}

export interface ValueProblem {
  /** Continues the setting's name: `is not a duration`. */
  readonly wrong: string
  /** Continues "write": `a number with its unit, e.g. "25s"`. */
  readonly write: string
}

/** A value type that is written as a TOML string; `read` answers undefined for "that is no such thing". */
export function textType<T>(
  name: string,
  write: string,
  read: (text: string) => Result<T, ValueProblem> | undefined,
): ValueType<T> {
  return {
    name,
    toml: 'string',
    parse(input) {
      if (typeof input !== 'string') return err({ wrong: `is ${nameOf(input)}, not a string`, write })
      return read(input) ?? err({ wrong: `is not ${withArticle(name)}: ${quote(input)}`, write })
    },
  }
}

/** What TOML called it, for messages. */
export function nameOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list'
  if (input instanceof Date) return 'a date'
  if (typeof input === 'number') return 'a number'
  if (typeof input === 'object') return 'a table'
  return `a ${typeof input}`
}

export function withArticle(noun: string): string {
  if (/^["\d]|^true/.test(noun)) return noun
  return `${/^(?!user)[aeiou]/i.test(noun) ? 'an' : 'a'} ${noun}`
}

/** Longest part of a value that a message repeats. */
const QUOTED_MAX = 80

export function quote(text: string): string {
  return JSON.stringify(text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text)
}
