/**
 * Pages: what a cursor is, which only says where to go on and means nothing elsewhere, and where pages end. Pure.
 */
import { err, ok, type Result } from '@hermetic/policy'
import type { Page } from './endpoint.ts'

/** An address of 1,024 octets, encoded, with the name of its list. */
const CURSOR_MAX = 2_048

export function formatCursor(list: string, after: string | number): string {
  return Buffer.from(JSON.stringify([list, after])).toString('base64url')
}

/** Only for the list that gave it. */
export function parseCursor(list: string, text: string): Result<string | number, string> {
  const wrong = err('cursor: not one that this list has given')
  if (text.length > CURSOR_MAX || !/^[A-Za-z0-9_-]+$/.test(text)) return wrong
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return wrong
  }
  if (!Array.isArray(value) || value.length !== 2 || value[0] !== list) return wrong
  const after: unknown = value[1]
  return typeof after === 'string' || typeof after === 'number' ? ok(after) : wrong
}

/** The answer is the list. */
export function itemsOf(answer: unknown): readonly unknown[] {
  return Array.isArray(answer) ? answer : []
}

/** A full page is followed by another one, behind its last item. */
export function fullPage(name: string) {
  return (answer: unknown, { limit }: Page): string | number | undefined => {
    const items = itemsOf(answer)
    return items.length < limit ? undefined : placeIn(items.at(-1), name)
  }
}

/** The answer says itself where it goes on. */
export function placeIn(answer: unknown, name: string): string | number | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const value: unknown = Object.getOwnPropertyDescriptor(answer, name)?.value
  return typeof value === 'string' || typeof value === 'number' ? value : undefined
}

export function fieldOf(answer: unknown, name: string): readonly unknown[] {
  if (typeof answer !== 'object' || answer === null) return []
  return itemsOf(Object.getOwnPropertyDescriptor(answer, name)?.value)
}
