/**
 * Contents on their way between threads: alone in their buffer, because a view travels with all of the memory that it
 * looks at, and that of a small one is shared with others. Pure.
 */
import type { NewMessage } from '../spool/spool.ts'

export interface ExactBytes {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly buffer: ArrayBuffer
}

export function exactBytes(view: Uint8Array): ExactBytes {
  const bytes = new Uint8Array(view)
  return { bytes, buffer: bytes.buffer }
}

/** The message with a content of its own, and the buffers that go with it. */
export function travellingMessage(message: NewMessage): {
  readonly message: NewMessage
  readonly buffers: readonly ArrayBuffer[]
} {
  const { content } = message
  if (content.kind !== 'memory') return { message, buffers: [] }
  const { bytes, buffer } = exactBytes(content.bytes)
  return { message: { ...message, content: { kind: 'memory', bytes } }, buffers: [buffer] }
}
