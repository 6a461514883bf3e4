/**
 * An explanation as JSON: names in snake_case, as in the log. What a terminal could take for an order (C1 controls, marks
 * that reverse the direction of writing) is escaped; JSON itself escapes only the C0 controls. Pure.
 */
import type { Explanation } from '@hermetic/policy'
import { snakeCase } from '../observability/log-line.ts'

export function explanationJson(explanation: Explanation): string {
  const text = JSON.stringify(inSnakeCase(explanation), undefined, 2)
  return `${text.replace(/[\u007f-\u009f\u2028\u2029]|\p{Cf}/gu, escaped)}\n`
}

function inSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inSnakeCase)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [snakeCase(name), inSnakeCase(field)]))
}

function escaped(character: string): string {
  return [...Array(character.length).keys()]
    .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('')
}
