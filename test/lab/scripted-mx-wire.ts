/** What the scripted mail exchanger writes and reads, as bytes and text: actions to replies, paths, stuffed dots. */
import type { MxAction, MxAnswer } from './mx-script.ts'

export function actionOf(answer: Exclude<MxAnswer, undefined>): MxAction {
  if (typeof answer === 'string') return { reply: answer }
  return 'length' in answer ? { reply: answer } : answer
}

export function bytesOf({ raw, reply = [] }: MxAction): Buffer {
  if (raw !== undefined) return typeof raw === 'string' ? Buffer.from(raw) : raw
  const lines = typeof reply === 'string' ? [reply] : reply
  return Buffer.from(lines.map((text) => `${text}\r\n`).join(''))
}

/** The address between the angle brackets; quoted local parts may hold brackets of their own. */
export function pathOf(line: string): string {
  return /<((?:"(?:[^"\\]|\\.)*"|[^">])*)>/.exec(line)?.[1] ?? ''
}

/** RFC 5321 §4.5.2, the receiving half. Slow and plain on purpose. */
export function unstuff(content: Buffer): Buffer {
  const text = content.toString('latin1')
  return Buffer.from(text.replace(/(^|\r\n)\./g, '$1'), 'latin1')
}
