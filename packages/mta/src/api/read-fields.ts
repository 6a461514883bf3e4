/**
 * Fields of a request as its endpoint wants them: path and query are text, a body is JSON. What they mean is judged by the
 * order. Pure.
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { Field, Fields, Given } from './endpoint.ts'

/** Longer than any id, domain or address. */
const TEXT_MAX = 1_024

/** From a query, where every name may be repeated. */
export function readQuery(query: Readonly<Record<string, readonly string[]>>, fields: Fields): Result<Given, string> {
  const values: Record<string, unknown> = {}
  for (const [name, texts] of Object.entries(query)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (field === undefined) return err(`${name}: unknown parameter`)
    const value = fromTexts(field, texts)
    if (value === undefined) return err(`${name}: not ${typeWords(field)}`)
    values[name] = value
  }
  return readFields(values, fields)
}

function fromTexts({ type }: Field, texts: readonly string[]): unknown {
  if (type === 'strings') return texts
  const [text = '', ...more] = texts
  if (more.length > 0) return undefined
  if (type === 'integer') return /^\d{1,16}$/.test(text) ? Number(text) : undefined
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined
  return text
}

/** Unknown fields are refused: a client that means something by them must not be told "done". */
export function readFields(body: unknown, fields: Fields): Result<Given, string> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return err('not an object')
  for (const [name, value] of Object.entries(body)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (field === undefined) return err(`${name}: unknown field`)
    if (!fits(value, field)) return err(`${name}: not ${typeWords(field)}`)
  }
  const missing = Object.entries(fields).find(([name, field]) => field.required === true && !Object.hasOwn(body, name))
  return missing === undefined ? ok({ ...body }) : err(`${missing[0]}: missing`)
}

function fits(value: unknown, { type, oneOf, max }: Field): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string' && value.length <= (max ?? TEXT_MAX) && (oneOf?.includes(value) ?? true)
    case 'integer':
      return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= (max ?? value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'strings':
      return Array.isArray(value) && value.length <= (max ?? TEXT_MAX) && value.every((one) => typeof one === 'string')
    case 'filter':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return false
  }
}

function typeWords({ type, oneOf, max }: Field): string {
  if (oneOf !== undefined) return `one of ${oneOf.join(', ')}`
  const words = { string: 'a text', integer: 'a whole number', boolean: 'true or false', strings: 'a list of texts' }
  const limit = max === undefined ? '' : type === 'strings' ? ` of at most ${max}` : `, at most ${max}`
  return type === 'filter' ? 'a filter' : `${words[type]}${limit}`
}
